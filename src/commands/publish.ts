import { Option } from "commander";
import { OrderctlError } from "../errors.ts";
import type { Reject } from "../orders/sources/order-source.ts";
import { feedOrders } from "../pipeline/feed-orders.ts";
import { generateOrders, readOrders, type SourceFormat } from "../pipeline/order-source.ts";
import type { Profile } from "../pipeline/pace.ts";
import { Rejects } from "../pipeline/rejects.ts";
import { feedProgressText } from "../views/feed-progress.ts";
import { publishReport } from "../views/publish-report.ts";
import type { Online, Register } from "./act.ts";
import { count, positive, time, withConnection } from "./options.ts";
import { openTelemetry, type TracingFlags, withTracingFlags } from "./telemetry-options.ts";

type Options = TracingFlags & {
  count: number;
  rate?: number;
  profile: Profile;
  window: number;
  seed?: number;
  file?: string;
  format?: SourceFormat;
  map?: string;
  currency?: string;
  rejects?: string;
  skipInvalid: boolean;
  wait: boolean;
  patience: number;
};

export const registerPublish: Register = (command, act) => {
  const order = command.command("order").description("store orders: synthetic ones, or those of a file");
  order
    .optionsGroup("Synthetic orders:")
    .addOption(new Option("-n, --count <n>", "how many").argParser(positive).default(1).conflicts("file"))
    .addOption(
      new Option("--seed <n>", "the same seed makes the same orders with the same ids")
        .argParser(count)
        .conflicts("file"),
    )
    .optionsGroup("Orders of a file:")
    .option("-f, --file <file>", "orders.ndjson or orders.csv; - reads standard input")
    .addOption(new Option("--format <format>", "where the name does not tell").choices(["csv", "ndjson"]))
    .option("--map <columns>", "headers of other CSV files: order=Invoice,sku=Item,quantity=Qty,price=Price")
    .option("--currency <code>", "of rows that name none (CSV of the retail shape: GBP, else USD)")
    .option("--rejects <file>", "write every row that is no order there, as NDJSON")
    .option("--skip-invalid", "exit 0 although some rows are no orders, or others than what is stored", false)
    .optionsGroup("Pace:")
    .option("--rate <n>", "orders per second; as fast as the window allows by default", positive)
    .addOption(
      new Option("--profile <profile>", "burst: five times --rate for a fifth of the time")
        .choices(["steady", "burst"])
        .default("steady"),
    )
    .option("--window <n>", "publishes in flight", positive, 256)
    .optionsGroup("Afterwards:")
    .option("--wait", "until every order has ended, and tell how long they took", false)
    .addOption(time("--patience <time>", "give up waiting when no order ends for so long", [30_000, "30s"]));
  withConnection(withTracingFlags(order)).action(act.online(publishOrder, { check: refuseMisfits }));
};

async function publishOrder(online: Online, options: Options): Promise<number> {
  const { connection, terminal, ...app } = online;
  const { rate, profile } = options;
  const rejects = await Rejects.open(options.rejects);
  const { seed, total, orders } = sourceOf(app, options, rejects);
  const { instance } = await app.config();
  const telemetry = await openTelemetry(online, options, { service: "publish", instance, prometheus: false });
  const progress = await terminal.progress();
  const { report, failure } = await feedOrders(connection, orders, {
    origin: { service: "publish", instance },
    window: options.window,
    pace: rate === undefined ? undefined : { rate, profile },
    telemetry,
    waitMs: options.wait ? options.patience : undefined,
    signal: app.signal,
    onProgress: (feed) => progress.update(feedProgressText(feed, total)),
  }).finally(() => progress.end());
  await telemetry.stop(telemetryMs);
  const { count: rejected, shown } = rejects;
  const data = { ...report, seed, file: options.file ?? null, rejected, rejectsShown: shown };
  // Where nothing was stored the error is the answer; who interrupted it is told nevertheless.
  const isNothingTold = report.stored + report.duplicates + rejected === 0;
  const isFruitless = failure !== undefined && failure.code !== "interrupted" && isNothingTold;
  if (!isFruitless) terminal.show("publish-report", data, publishReport);
  await rejects.close();
  if (failure) throw failure;
  return rejected + report.conflicts > 0 && !options.skipInvalid ? exitOnRejects : 0;
}

const exitOnRejects = 6;
/** How long the last spans may take. */
const telemetryMs = 3000;

function sourceOf({ stdin, signal }: Pick<Online, "stdin" | "signal">, options: Options, rejects: Rejects) {
  const { file, seed, count: total } = options;
  if (file === undefined) return { ...generateOrders(total, seed), total };
  const source = { ...options, file };
  const onReject = (reject: Reject) => rejects.add(reject);
  return { seed: null, total: null, orders: readOrders(source, { stdin, signal, onReject }) };
}

/** Without a file, or a rate, they would do nothing, and their user would not know. */
function refuseMisfits({ file, rate, profile, ...options }: Options): void {
  if (rate === undefined && profile === "burst")
    throw new OrderctlError("usage", "--profile burst needs a --rate to be five times of");
  const given = fileFlags.find((flag) => options[flag] !== undefined && file === undefined);
  if (given === undefined) return;
  throw new OrderctlError("usage", `--${given} is about the orders of a file`, {
    hint: "name the file with --file; - reads standard input",
  });
}

const fileFlags = ["format", "map", "currency", "rejects"] as const;
