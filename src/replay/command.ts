import type { Online, Register } from "../cli/command-action.ts";
import { openDestination } from "../cli/destination.ts";
import { explainMissingLog } from "../cli/missing-log.ts";
import { readClock } from "../cli/read-clock.ts";
import { openTelemetry } from "../cli/telemetry-options.ts";
import { OrderctlError } from "../core/errors.ts";
import { type ReplayStream, readReplayStream } from "../jetstream/streams/replay-streams.ts";
import { noTelemetry, type Telemetry } from "../telemetry/telemetry.ts";
import { readerGone } from "../terminal/output.ts";
import { openFileTarget } from "./file.ts";
import { checkReplayFlags, placeTimes, type ReplayFlags, withReplayFlags } from "./options.ts";
import { createPrefixTarget } from "./prefix.ts";
import { replay } from "./replay.ts";
import { type ReplaySummary, replayReport } from "./replay-report.ts";
import { replayOutcomeLine, replayProgressText } from "./replay-text.ts";
import { resumeCommand } from "./resume.ts";
import { planReplay, type ReplaySelection } from "./selection.ts";
import { consumedKinds, createServiceTarget } from "./service.ts";
import { createNoTarget, type ReplayResult, type ReplayTarget } from "./target.ts";

export const registerReplay: Register = (command, act, program) => {
  const check = (flags: ReplayFlags, [stream = program.flow.stream]: string[]) =>
    checkReplayFlags(program, flags, stream);
  withReplayFlags(command, program)
    .addHelpText(
      "after",
      "\nExit code: 1 where --service comes to another outcome than is stored, --to finds another content in the place of a copy, or messages were deleted before they were read.",
    )
    .action(act.online(runReplay, { check }));
};

/** Time limit for exporting the last spans. */
const telemetryMs = 5000;

async function runReplay(
  online: Online,
  flags: ReplayFlags,
  [name = online.flow.stream]: string[],
): Promise<number> {
  const { program, terminal, signal } = online;
  const stream = await readStream(online, name);
  const { clock, ...times } = await readTimes(online, flags, name);
  const plan = await planReplay(online, stream, { ...selectionOf(online, flags), ...times });
  const { target, telemetry } = await openTarget(online, flags, stream);
  const progress = await terminal.progress();
  const { report, failure } = await replay(online, {
    plan,
    target,
    speed: Number.isFinite(flags.speed) ? flags.speed : null,
    signal,
    onProgress: (state) => progress.update(replayProgressText(state)),
  }).finally(() => progress.end());
  await telemetry.stop(telemetryMs);
  if (signal.reason === readerGone) throw readerGone;
  const { resumeFromSequence: fromSequence, toSequence } = report;
  const resume =
    fromSequence === null
      ? null
      : resumeCommand(program.replay, { stream: name, fromSequence, toSequence, ...times }, flags);
  showSummary(online, flags, { ...report, dryRun: flags.dryRun, resumeCommand: resume, clock });
  if (failure) throw failure;
  return isRefuted(report.result) || report.gone ? 1 : 0;
}

/** With `--out -` the events go to stdout, so the summary goes to stderr. */
function showSummary({ terminal }: Online, { out, dryRun }: ReplayFlags, summary: ReplaySummary): void {
  const write = out === "-" && !dryRun ? terminal.tell : terminal.show;
  write("replay-report", summary, replayReport);
}

/**
 * True when the log or the destination holds something other than the replayed outcome or copy, or when a handler
 * failed.
 */
function isRefuted(result: ReplayResult): boolean {
  if (result.target === "prefix") return result.differentThere > 0;
  return result.target === "service" && result.different + result.failed > 0;
}

async function readStream(online: Online, name: string): Promise<ReplayStream> {
  const { connection, flow } = online;
  try {
    return await readReplayStream(connection, name);
  } catch (thrown) {
    if (name === flow.stream) throw explainMissingLog(thrown, online);
    const error = OrderctlError.from(thrown);
    if (error.code !== "not_found") throw error;
    throw new OrderctlError("not_found", `there is no stream ${name} at ${connection.server}`, {
      hint: "--server or --context names another broker",
      cause: thrown,
    });
  }
}

type Times = Pick<ReplaySelection, "sinceUs" | "untilUs">;

/** Asks for the broker's clock only when a time was given as an age. */
async function readTimes(
  online: Online,
  flags: ReplayFlags,
  stream: string,
): Promise<ReturnType<typeof placeTimes> & Pick<ReplaySummary, "clock">> {
  const isAge = [flags.since, flags.until].some((given) => given && "agoMs" in given);
  if (!isAge) return { ...placeTimes(flags, 0), clock: null };
  const { difference, nowUs } = await readClock(online, stream);
  return { ...placeTimes(flags, nowUs()), clock: difference };
}

const selectionOf = ({ flow, program }: Online, flags: ReplayFlags): Omit<ReplaySelection, keyof Times> => ({
  fromSequence: flags.fromSeq,
  toSequence: flags.toSeq,
  subject: flags.subject,
  orderId: flags.order === undefined ? undefined : (flow.keyTyped(flags.order) ?? flags.order),
  kinds: flags.service === undefined ? undefined : consumedKinds(flow, program.serviceOf(flags.service)),
});

type Opened = { target: ReplayTarget; telemetry: Telemetry };

async function openTarget(online: Online, flags: ReplayFlags, stream: ReplayStream): Promise<Opened> {
  const { to, out, dryRun, append } = flags;
  if (to !== undefined) return openCopying(online, { ...flags, to }, stream);
  const quiet = { telemetry: noTelemetry };
  if (dryRun) return { ...quiet, target: createNoTarget() };
  if (out === undefined) return { ...quiet, target: await openComparing(online, flags) };
  const { stdout, note } = online.terminal;
  const { flow } = online;
  return { ...quiet, target: await openFileTarget({ flow, file: out, append, stdout, note }) };
}

/** Only copies are traced: they are new messages that consumers may handle; the other targets create none. */
async function openCopying(
  online: Online,
  flags: ReplayFlags & { to: string },
  stream: ReplayStream,
): Promise<Opened> {
  const { connection } = online;
  const destination = await openDestination(connection, stream, flags);
  if (flags.dryRun) return { target: createNoTarget(), telemetry: noTelemetry };
  const { instance } = await online.config();
  const telemetry = await openTelemetry(online, flags, { service: "replay", instance, prometheus: false });
  const { tracing } = telemetry;
  const options = { stream: stream.name, destination, window: flags.window, tracing };
  return { target: createPrefixTarget(online, options), telemetry };
}

async function openComparing(online: Online, flags: ReplayFlags): Promise<ReplayTarget> {
  const { program, terminal } = online;
  const { service, window, store, each } = flags;
  if (service === undefined) return createNoTarget();
  return createServiceTarget(online, {
    service: program.serviceOf(service),
    handlers: await program.replay.openHandlers(online, flags),
    window,
    store,
    instance: (await online.config()).instance,
    onOutcome: each ? (outcome) => terminal.show("replay-outcome", outcome, replayOutcomeLine) : undefined,
  });
}
