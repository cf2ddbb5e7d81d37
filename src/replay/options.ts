import { type Command, InvalidArgumentError, Option } from "commander";
import type { ConnectionFlags } from "../cli/config.ts";
import type { Flags, FlowProgram, ReplayProgram } from "../cli/flow-program.ts";
import { type Moment, moment, placeMoment } from "../cli/moment.ts";
import { count, positive, withConnection, withGiveUp } from "../cli/options.ts";
import { type TracingFlags, withTracingFlags } from "../cli/telemetry-options.ts";
import { OrderctlError } from "../core/errors.ts";
import { checkKey } from "../flow/flow.ts";

export type ReplayFlags = Flags &
  ConnectionFlags &
  TracingFlags & {
    since?: Moment;
    until?: Moment;
    fromSeq?: number;
    toSeq?: number;
    subject?: string;
    order?: string;
    /** `Infinity` for as fast as possible. */
    speed: number;
    window: number;
    to?: string;
    create: boolean;
    service?: string;
    store: boolean;
    each: boolean;
    out?: string;
    append: boolean;
    dryRun: boolean;
  };

export function withReplayFlags(command: Command, { flow, replay }: FlowProgram): Command {
  command
    .argument("[stream]", "any stream", flow.stream)
    .optionsGroup("Which messages:")
    .option(
      "--since <time>",
      "stored at 2026-01-31T09:00:00Z or later, or no longer ago than 15m, 2h by the broker's clock",
      moment,
    )
    .option("--until <time>", "the same for the last one", moment)
    .option("--from-seq <n>", "from this sequence on", count)
    .option("--to-seq <n>", "up to this sequence (default: the last one now)", count)
    .option("--subject <subject>", "with wildcards: 'ORDERS.created.*'")
    .option("--order <id>", "of one order")
    .optionsGroup("Where to, one of these:")
    .option("--to <prefix>", "publish copies: ORDERS.created.X becomes <prefix>.created.X")
    .addOption(serviceOption(replay))
    .option("--out <file>", "write NDJSON; - is standard output. Orders as `publish order --file` reads them")
    .option("--dry-run", "only tell what would be replayed", false)
    .optionsGroup("How:")
    .addOption(
      new Option("--speed <factor>", "1x as stored, 10x, 2.5x")
        .default(Number.POSITIVE_INFINITY, "max")
        .argParser(speed),
    )
    .option("--window <n>", "messages under way", positive, 256)
    .option("--create", "--to: make a stream where none listens", false)
    .option("--append", "--out: add to the file instead of replacing it", false)
    .option("--each", "--service: tell of each event", false)
    .option("--store", `--service: store what is missing (${storing(replay).join(", ")})`, false);
  return withConnection(withTracingFlags(withGiveUp(replay.withFlags(command))));
}

const serviceOption = ({ services, refusals }: ReplayProgram): Option =>
  new Option("--service <name>", "compare what it would store with what is stored").choices([
    ...services,
    ...Object.keys(refusals),
  ]);

const storing = ({ services, storeRefusals }: ReplayProgram): string[] =>
  services.filter((service) => !(service in storeRefusals));

/** Throws `usage` for flags that contradict each other or lack the flag they belong to. */
export function checkReplayFlags(program: FlowProgram, flags: ReplayFlags, stream: string): void {
  const { to, service, out, dryRun, order } = flags;
  const targets = [to, service, out].filter((target) => target !== undefined).length;
  if (!/^[^\s.*>/\\]+$/.test(stream)) throw usage(`${JSON.stringify(stream)} is not the name of a stream`);
  if (targets > 1) throw usage("--to, --service and --out exclude each other");
  if (targets === 0 && !dryRun)
    throw usage("where to? --to, --service or --out", "--dry-run only tells what would be replayed");
  checkTimes(flags);
  if (order !== undefined) checkKey(program.flow, order, "usage");
  checkService(program, stream, flags);
  checkOwners(flags);
}

function checkOwners({ create, append, store, each, to, service, out }: ReplayFlags): void {
  for (const [given, owner, name] of [
    [create, to, "--create is for --to"],
    [append, out, "--append is for --out"],
    [store, service, "--store is for --service"],
    [each, service, "--each is for --service"],
  ] as const) {
    if (given && owner === undefined) throw usage(name);
  }
}

/** Compares two times or two ages; a time and an age are comparable only once the broker has told its time. */
function checkTimes({ since, until }: ReplayFlags): void {
  if (since && until && "us" in since === "us" in until) placeTimes({ since, until }, 0);
}

function checkService({ flow, replay }: FlowProgram, stream: string, { service, store }: ReplayFlags): void {
  if (service === undefined) return;
  if (stream !== flow.stream) throw usage(`--service works on the events of ${flow.stream} only`);
  const refusal = replay.refusals[service] ?? (store ? replay.storeRefusals[service] : undefined);
  if (refusal) throw usage(refusal.why, refusal.hint);
}

const usage = (message: string, hint?: string): OrderctlError =>
  new OrderctlError("usage", message, { hint });

/** Both moments in Unix µs, given the broker's time. Throws `usage` when `since` is later than `until`. */
export function placeTimes(
  { since, until }: Pick<ReplayFlags, "since" | "until">,
  nowUs: number,
): { sinceUs: number | undefined; untilUs: number | undefined } {
  const place = (given: Moment | undefined) => given && placeMoment(given, nowUs);
  const [sinceUs, untilUs] = [place(since), place(until)];
  if (sinceUs !== undefined && untilUs !== undefined && sinceUs > untilUs)
    throw usage("--since is later than --until");
  return { sinceUs: epoch(sinceUs), untilUs: epoch(untilUs) };
}

/** Clamps to 1970: no message is older, and the broker does not parse earlier times. */
const epoch = (us: number | undefined): number | undefined => us && Math.max(0, us);

/** Never null: commander treats null as an option without a value. */
function speed(text: string): number {
  if (text === "max") return Number.POSITIVE_INFINITY;
  const factor = Number(/^(\d+(?:\.\d+)?)x?$/.exec(text)?.[1]);
  if (factor > 0) return factor;
  throw new InvalidArgumentError("expected a factor such as 1x, 10x or 2.5x, or max.");
}
