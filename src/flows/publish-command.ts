import { Argument, Option } from "commander";
import { openArchivedKeys } from "../archive/archived-keys.ts";
import type { Online, Register } from "../cli/command-action.ts";
import { positive, time, withConnection, withGiveUp } from "../cli/options.ts";
import { sameCommand } from "../cli/same-command.ts";
import { openTelemetry, type TracingFlags, withTracingFlags } from "../cli/telemetry-options.ts";
import { OrderctlError } from "../core/errors.ts";
import type { ArchivedKeys } from "../flow/archived-log.ts";
import type { CompiledFlow } from "../flow/define/compile-flow.ts";
import type { DataEvent } from "../flow/define/event-codec.ts";
import { isConcrete } from "../flow/define/existing-layout.ts";
import { lookUpKeys } from "../flow/look-up-keys.ts";
import { feed } from "../publish/feed.ts";
import { feedProgressText } from "../publish/feed-progress.ts";
import { feedReport, type PublishedReport } from "../publish/feed-report.ts";
import { Rejects } from "../publish/files/rejects.ts";
import type { Profile } from "../publish/publish-events.ts";
import type { Style } from "../terminal/terminal.ts";
import { eventMaker, fileEvents, sampleEvents, typedEvent } from "./event-source.ts";

type Options = TracingFlags & {
  data?: string;
  file?: string;
  count?: number;
  rate?: number;
  profile: Profile;
  window: number;
  rejects?: string;
  wait: boolean;
  patience: number;
};

/** So few events are looked up in the archive one by one. */
const fewEvents = 64;
/** Time limit for exporting the last spans. */
const telemetryMs = 3000;
const exitOnRejects = 6;

/** `publish <kind>` of a flow that a user has defined; `refusal` says why its events cannot be checked here. */
export const registerPublishEvents =
  (compiled: CompiledFlow, refusal?: OrderctlError): Register =>
  (command, act) => {
    const { firstKind, keyField } = compiled.flow;
    command
      .addArgument(new Argument("<kind>", "the kind of event that a key begins with").choices([firstKind]))
      .optionsGroup("One of these:")
      .addOption(
        new Option("-d, --data <json>", `one event: '{"${keyField}": …}'`).conflicts(["file", "count"]),
      )
      .addOption(
        new Option(
          "-f, --file <file>",
          "a JSON object per line, or an array; - reads standard input",
        ).conflicts("count"),
      )
      .addOption(new Option("-n, --count <n>", "so many as the flow's sample makes").argParser(positive))
      .optionsGroup("How:")
      .option("--rejects <file>", "--file: write every row that is not stored there, as NDJSON")
      .option("--rate <n>", "events per second; as fast as the window allows by default", positive)
      .addOption(
        new Option("--profile <profile>", "burst: five times --rate for a fifth of the time")
          .choices(["steady", "burst"])
          .default("steady"),
      )
      .option("--window <n>", "publishes in flight", positive, 256)
      .option("--wait", "until every key has ended, and tell how long they took", false)
      .addOption(time("--patience <time>", "give up waiting when no key ends for so long", [30_000, "30s"]));
    withConnection(withTracingFlags(withGiveUp(command))).action(
      act.online(
        (online: Online, options: Options, [kind = firstKind]) =>
          publishEvents({ ...online, compiled, kind }, options),
        { check: () => refuse(refusal) },
      ),
    );
  };

function refuse(refusal: OrderctlError | undefined): void {
  if (refusal) throw refusal;
}

type Publishing = Online & { compiled: CompiledFlow; kind: string };

async function publishEvents(publishing: Publishing, options: Options): Promise<number> {
  const { compiled, connection, archive, terminal, signal } = publishing;
  const { flow } = compiled;
  mustName(publishing, options);
  const rejects = await Rejects.open(options.rejects);
  const events = sourceOf(publishing, options, rejects);
  const { instance } = await publishing.config();
  const as = { service: "publish", instance };
  const telemetry = await openTelemetry(publishing, options, { ...as, prometheus: false });
  const archivedKeys = await openKeys(publishing, options);
  const progress = await terminal.progress();
  const fed = await feed({ connection, archive, flow }, events, {
    origin: as,
    window: options.window,
    pace: options.rate === undefined ? undefined : { rate: options.rate, profile: options.profile },
    telemetry,
    archivedKeys,
    waitMs: options.wait ? options.patience : undefined,
    signal,
    onProgress: (at) => progress.update(feedProgressText(at, totalOf(options), flow.noun)),
  }).finally(() => {
    progress.end();
    archivedKeys.stop();
  });
  await telemetry.stop(telemetryMs);
  return tell(publishing, fed, { ...fromOf(options), rejects });
}

/** Where the events come from, in the report and in its words. */
function fromOf({ file, count }: Options): { file: string | null; source: string } {
  if (file !== undefined) return { file, source: `from ${file}` };
  return { file: null, source: count === undefined ? "by hand" : "of its samples" };
}

/** How many events there will be; `null` for those of a file. */
const totalOf = ({ file, count = 1 }: Options): number | null => (file === undefined ? count : null);

/** The keys of all that is archived; for a few events, it would take too long to read them. */
async function openKeys(publishing: Publishing, options: Options): Promise<ArchivedKeys> {
  if ((totalOf(options) ?? Number.POSITIVE_INFINITY) <= fewEvents) return lookUpKeys(publishing);
  const { env, signal } = publishing;
  return openArchivedKeys(publishing, { env, who: "publish", note: () => {}, patient: signal });
}

type Told = { file: string | null; source: string; rejects: Rejects };

async function tell(
  { compiled, terminal, argv }: Publishing,
  { report, failure, isStored }: Awaited<ReturnType<typeof feed>>,
  { file, source, rejects }: Told,
): Promise<number> {
  const { count: rejected, shown: rejectsShown } = rejects;
  const isPassing = [failure?.source, failure?.code].some((why) => passing.has(why ?? ""));
  const resumeCommand = isPassing && !isStored ? sameCommand(argv, []) : null;
  const done = report.stored + report.duplicates + report.unknown + rejected;
  if (!failure || done > 0 || failure.code === "interrupted")
    terminal.show(
      "publish-report",
      { ...report, file, source, rejected, rejectsShown, resumeCommand },
      reportOf(compiled),
    );
  await rejects.close();
  if (failure) throw failure;
  return rejected + report.conflicts + report.blocked > 0 ? exitOnRejects : 0;
}

/** Whose fault, or which error, says nothing about the events: they can be published again. */
const passing: ReadonlySet<string> = new Set(["broker", "store", "interrupted"]);

function sourceOf(
  { compiled, kind, stdin, signal }: Publishing,
  { data, file, count }: Options,
  rejects: Rejects,
): AsyncIterable<DataEvent> | Iterable<DataEvent> {
  const make = eventMaker(compiled, kind);
  if (data !== undefined) return [typedEvent(make, data)];
  if (count !== undefined) return sampleEvents(compiled, kind, count);
  return fileEvents(make, { file: file ?? "-", stdin, signal, onReject: (reject) => rejects.add(reject) });
}

/** Before anything is opened or replaced. */
function mustName({ compiled, kind }: Publishing, { data, count, file }: Options): void {
  const { flow } = compiled;
  if (!isConcrete(flow.templateOf(kind)))
    throw new OrderctlError("usage", `${kind} is on ${flow.templateOf(kind)}, which names no one subject`, {
      hint: "its own programs publish it",
    });
  if (data !== undefined || count !== undefined || file !== undefined) return;
  throw new OrderctlError("usage", `what of ${kind}? --data, --file or --count`, {
    hint: `orderctl publish ${kind} --data '{"${compiled.flow.keyField}": …}'`,
  });
}

const reportOf =
  ({ flow }: CompiledFlow) =>
  (report: PublishedReport & { source: string }, style: Style): string => {
    const first = flow.labelOf(flow.firstKind);
    return feedReport(report, { noun: flow.noun, first, source: report.source }, style);
  };
