import { type Command, Option } from "commander";
import { openArchivedKeys } from "../../archive/archived-keys.ts";
import type { App, Online, Register } from "../../cli/command-action.ts";
import { typed } from "../../cli/connection-flags.ts";
import { count, positive, time, withConnection, withGiveUp } from "../../cli/options.ts";
import { sameCommand } from "../../cli/same-command.ts";
import { openTelemetry, type TracingFlags, withTracingFlags } from "../../cli/telemetry-options.ts";
import { OrderctlError } from "../../core/errors.ts";
import type { ArchivedKeys } from "../../flow/archived-log.ts";
import { lookUpKeys } from "../../flow/look-up-keys.ts";
import { feed } from "../../publish/feed.ts";
import { feedProgressText, readingText } from "../../publish/feed-progress.ts";
import type { Reject } from "../../publish/files/reject.ts";
import { Rejects } from "../../publish/files/rejects.ts";
import type { Profile } from "../../publish/publish-events.ts";
import type { Progress } from "../../terminal/terminal.ts";
import { orderFlow } from "../built-in-flow.ts";
import { dryRun } from "./dry-run.ts";
import {
  checkSource,
  csvOptions,
  type FileSource,
  generateOrders,
  readOrders,
  sourceFormats,
} from "./open-order-source.ts";
import { dryRunReport, type PublishReport, publishReport } from "./publish-report.ts";

type Options = TracingFlags &
  Partial<FileSource> & {
    count: number;
    rate?: number;
    profile: Profile;
    window: number;
    seed?: number;
    rejects?: string;
    dryRun?: boolean;
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
    );
  withFileOptions(order);
  order
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
  const online = act.online(publishOrder, { check: refuseMisfits });
  const offline = act.offline(tellOrders);
  withConnection(withTracingFlags(withGiveUp(order)))
    .addHelpText("after", csvHelp)
    .action((options: Options, self) => (options.dryRun ? offline : online)(options, self));
};

function withFileOptions(order: Command): void {
  order
    .optionsGroup("Orders of a file:")
    .option("-f, --file <file>", "orders.csv, .tsv, .json or .ndjson; - reads standard input")
    .addOption(new Option("--format <format>", "where the name does not tell").choices(sourceFormats))
    .option("--currency <code>", "of rows that name none (CSV of the retail shape: GBP, else USD)")
    .option("--dry-run", "tell what would be stored and rejected, without a broker")
    .option("--rejects <file>", "write every row that is not stored there, as NDJSON")
    .option(
      "--skip-invalid",
      "exit 0 although some rows are rejected, or orders others than what is stored",
      false,
    )
    .optionsGroup("Orders of a CSV file:")
    .option("--map <columns>", "headers of other files: order=Invoice,sku=Item,quantity=Qty,price=Price")
    .option("--separator <character>", "between columns; by default seen from the header (tab: the word)")
    .addOption(
      new Option(
        "--decimal <mark>",
        "in numbers; by default a comma in files with semicolons, else a point",
      ).choices([".", ","]),
    )
    .option("--date-format <format>", "such as DD/MM/YYYY HH:mm; by default ISO 8601, or what is unambiguous")
    .option("--skip-lines <n>", "lines before the header", count)
    .option("--partial", "store what is left of an order without the rows that are wrong");
}

const csvHelp = `
A CSV file has one row per line of an order; an order is stored whole, or, with a row that is wrong, not at all. Its
rows may stand anywhere: the file is kept in the temporary folder while it is read, with at most 5,000,000 orders, and
at most 500,000 rows of orders that go on later. docs/order-files.md tells how amounts and dates are read.`;

async function publishOrder(online: Online, options: Options): Promise<number> {
  const { connection, archive, terminal, ...app } = online;
  const { rate, profile } = options;
  const rejects = await Rejects.open(options.rejects);
  const progress = await terminal.progress();
  const { seed, total, orders } = sourceOf(online, options, { rejects, progress });
  const { instance } = await app.config();
  const telemetry = await openTelemetry(online, options, { service: "publish", instance, prometheus: false });
  const archivedKeys = await openKeys(online, options);
  const { report, failure, isStored } = await feed({ connection, archive, flow: orderFlow }, orders, {
    origin: { service: "publish", instance },
    window: options.window,
    pace: rate === undefined ? undefined : { rate, profile },
    telemetry,
    archivedKeys,
    waitMs: options.wait ? options.patience : undefined,
    signal: app.signal,
    onProgress: (at) => {
      // Before the first order is stored, the progress line shows how far the file is read (`onRead`).
      if (total !== null || at.done > 0) progress.update(feedProgressText(at, total, orderFlow.noun));
    },
  }).finally(() => {
    progress.end();
    archivedKeys.stop();
  });
  await telemetry.stop(telemetryMs);
  const { count: rejected, shown } = rejects;
  const resumeCommand = goOnCommand(online, options, { seed, failure: isStored ? undefined : failure });
  const data = { ...report, seed, file: options.file ?? null, rejected, rejectsShown: shown, resumeCommand };
  const isTold = hasNews(data, failure);
  if (isTold) terminal.show("publish-report", data, publishReport);
  await rejects.close();
  if (failure) throw withHint(failure, isTold ? null : resumeCommand);
  return rejected + report.conflicts + report.blocked > 0 && !options.skipInvalid ? exitOnRejects : 0;
}

/** So few orders are looked up in the archive one by one. */
const fewOrders = 64;

/** The keys of all that is archived; for a few orders that are published at once, it would take too long to read them. */
async function openKeys(online: Online, { file, count, rate }: Options): Promise<ArchivedKeys> {
  if (file === undefined && rate === undefined && count <= fewOrders) return lookUpKeys(online);
  const { env, signal } = online;
  // The first order that cannot be looked up ends it, with an error that says why.
  return openArchivedKeys(online, { env, who: "publish", note: () => {}, patient: signal });
}

/**
 * The command that publishes the same orders again; those already stored are not stored twice. `null` unless the broker
 * or the archive failed or the run was interrupted: in other cases the orders themselves are at fault.
 */
function goOnCommand(
  { argv }: Online,
  { file, seed: given }: Options,
  { seed, failure }: Fed,
): string | null {
  const isPassing = failure?.source === "broker" || failure?.source === "store";
  if (!isPassing && failure?.code !== "interrupted") return null;
  return sameCommand(argv, file === undefined && given === undefined ? ["--seed", String(seed)] : []);
}

type Fed = { seed: number | null; failure: OrderctlError | undefined };

/**
 * True if the report is shown. If nothing was stored or rejected, the error alone is shown, except to a user who
 * interrupted the run.
 */
const hasNews = (
  { stored, duplicates, unknown, rejected }: PublishReport,
  failure: OrderctlError | undefined,
): boolean =>
  failure === undefined || failure.code === "interrupted" || stored + duplicates + unknown + rejected > 0;

/**
 * Adds the resume command as a hint to an `unavailable` error; for runs whose report, which shows the command, is left
 * out.
 */
const withHint = (error: OrderctlError, command: string | null): OrderctlError =>
  error.code === "unavailable" && command !== null
    ? new OrderctlError(error.code, error.message, { hint: `to try again: ${command}`, cause: error })
    : error;

const exitOnRejects = 6;
/** Time limit for exporting the last spans. */
const telemetryMs = 3000;

type Sinks = { rejects: Rejects; progress: Progress };

function sourceOf(app: App, options: Options, sinks: Sinks) {
  const { file, seed, count: total } = options;
  if (file === undefined) return { ...generateOrders(total, seed), total };
  return { seed: null, total: null, orders: ordersIn({ ...options, file }, app, sinks) };
}

function ordersIn(source: FileSource, { stdin, signal, terminal }: App, { rejects, progress }: Sinks) {
  return readOrders(source, {
    stdin,
    signal,
    onReject: (reject: Reject) => rejects.add(reject),
    onNote: terminal.note,
    onRead: (lines) => progress.update(readingText(lines, source.file)),
  });
}

async function tellOrders(app: App, options: Options): Promise<number> {
  refuseMisfits(options);
  const { file = "-" } = options;
  const rejects = await Rejects.open(options.rejects);
  const progress = await app.terminal.progress();
  const orders = ordersIn({ ...options, file }, app, { rejects, progress });
  const run = await dryRun(orders).finally(() => progress.end());
  const { count: rejected, shown: rejectsShown } = rejects;
  app.terminal.show("publish-dry-run", { ...run, file, rejected, rejectsShown }, dryRunReport);
  await rejects.close();
  return rejected + run.conflicts > 0 && !options.skipInvalid ? exitOnRejects : 0;
}

/**
 * Throws `usage` for flags that would have no effect, which the user would not notice, such as --separator without
 * --file.
 */
function refuseMisfits({ file, rate, profile, ...options }: Options): void {
  if (rate === undefined && profile === "burst")
    throw new OrderctlError("usage", "--profile burst needs a --rate to be five times of");
  if (options.dryRun && (options.wait || rate !== undefined))
    throw new OrderctlError("usage", "--dry-run stores nothing: there is nothing to pace or to wait for");
  if (file !== undefined) checkSource({ ...options, file });
  const given = fileFlags.find((flag) => options[flag]);
  if (given === undefined || file !== undefined) return;
  throw new OrderctlError("usage", `${typed(given)} is about the orders of a file`, {
    hint: "name the file with --file; - reads standard input",
  });
}

const fileFlags = ["format", "currency", "rejects", "dryRun", ...csvOptions] as const;
