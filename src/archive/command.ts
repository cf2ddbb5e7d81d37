import type { Online, Register } from "../cli/command-action.ts";
import { hintText } from "../cli/hints.ts";
import { type Moment, moment, placeMoment } from "../cli/moment.ts";
import { positive, withConnection } from "../cli/options.ts";
import { readClock } from "../cli/read-clock.ts";
import { sameCommand } from "../cli/same-command.ts";
import { OrderctlError } from "../core/errors.ts";
import { formatCount, formatRate } from "../terminal/format.ts";
import { readArchiveList, readSegmentDetail, sumOf } from "./inspect.ts";
import { archiveListView, segmentView } from "./inspect-view.ts";
import type { Segment } from "./manifest.ts";
import { noArchive, openSegments } from "./open-segments.ts";
import { storeUrl } from "./open-store.ts";
import { planPrune, pruneSegments } from "./prune.ts";
import { archiveVerdictView, pruneView, restoreView } from "./report-views.ts";
import { nothingRestored, type Restored, type RestorePlan, restore } from "./restore.ts";
import { mustBeQuiet, openRestoreTarget, type RestoreTarget } from "./restore-target.ts";
import { SegmentedLog } from "./segmented-log.ts";
import { readStoredEntries } from "./stored-entries.ts";
import { type ArchiveVerdict, brokenManifest, verifyArchive } from "./verify-archive.ts";

export const registerArchive: Register = (command, act) => {
  const list = command
    .command("list")
    .description("how far the log is archived, in which segments, and where");
  withConnection(list.option("--all", "every segment, not only the last 20", false)).action(
    act.online(listSegments),
  );

  const show = command
    .command("show")
    .description("the segment that holds a message: its files, what is in it");
  withConnection(show.argument("<sequence>", "of the message in the log")).action(act.online(showSegment));

  const verify = command
    .command("verify")
    .description("read the whole archive and compare it with its manifest")
    .option("--remove-leftovers", "remove the files that no entry names and whose range is archived", false)
    .addHelpText("after", "\nExit code: 1 where a file is missing, or is not what the manifest names.");
  withConnection(verify).action(act.online(verifyAll));

  const restoring = command
    .command("restore")
    .description("store archived messages again: as a copy, or as the log of a rebuilt broker")
    .requiredOption("--to <stream>", "that takes them; made where there is none, the flow's own one excepted")
    .option(
      "--from-store <store>",
      "a folder or nats://<bucket>: take the entries from there, not the manifest",
    )
    .option("--from-seq <n>", "begin with this message of the archive", positive)
    .option("--to-seq <n>", "end with this one", positive)
    .option("--incomplete", "end before the archive does, in the flow's own stream too", false)
    .addHelpText("after", restoreHelp);
  withConnection(restoring).action(act.online(restoreRange, { check: checkRestore }));

  const prune = command
    .command("prune")
    .description("remove archived messages by age; what keeps orders from beginning again stays")
    .requiredOption("--older-than <time>", "30d, or stored before 2026-01-31T09:00:00Z", moment)
    .option("--dry-run", "only tell what would go, and which promises end with it", false)
    .option("--yes", "needed, as it is gone for good", false);
  withConnection(prune).action(act.online(pruneOld));
};

const restoreHelp = `
Headers and payloads are those that were archived: headers of the broker as Original-Nats-…. Sequences and the times at
which messages are stored become the restore's. A restore that was interrupted goes on when it is repeated; a stream that
holds anything else is refused.

A lost broker: start one, \`orderctl topology apply\`, then restore with --to ORDERS --from-store, before any service
starts. None may work meanwhile, and the restore ends where one does: an order would begin again before its payment is
back. Into that stream each comes with a header Orderctl-Restored, its old sequence: services do not work once more on
one whose outcome is there, and go on with the others.`;

const shownSegments = 20;

async function listSegments(online: Online, { all }: { all: boolean }): Promise<undefined> {
  const archive = await openSegments(online);
  const limit = all ? Number.POSITIVE_INFINITY : shownSegments;
  online.terminal.show("archive", await readArchiveList(online, archive, limit), archiveListView);
  return undefined;
}

async function showSegment(online: Online, _: unknown, [text = ""]: string[]): Promise<number | undefined> {
  if (!/^\d{1,15}$/.test(text))
    throw new OrderctlError("usage", `${JSON.stringify(text)} is not the sequence of a message`, {
      hint: "`orderctl archive list` tells the segments",
    });
  const archive = await openSegments(online);
  const detail = await readSegmentDetail(online, archive, Number(text));
  online.terminal.show("archive-segment", detail, segmentView);
  return detail.files.some(({ state }) => state === "missing" || state === "damaged") ? 1 : undefined;
}

async function verifyAll(online: Online, options: { removeLeftovers: boolean }): Promise<number> {
  const { terminal } = online;
  const verdict = await readVerdict(online, options);
  terminal.show("archive-verdict", verdict, archiveVerdictView);
  return verdict.verdict === "PASS" ? 0 : 1;
}

async function readVerdict(
  online: Online,
  { removeLeftovers }: { removeLeftovers: boolean },
): Promise<ArchiveVerdict> {
  const { connection, flow, env, terminal, signal } = online;
  const archive = new SegmentedLog(connection, flow, env);
  try {
    await archive.manifest.refresh();
  } catch (thrown) {
    const error = OrderctlError.from(thrown);
    if (error.code === "conflict") return brokenManifest(flow.stream, archive, error.message);
    throw error;
  }
  const { segments } = archive.manifest;
  if (segments.length === 0) throw noArchive(online);
  const progress = await terminal.progress();
  const onSegment = (segment: Segment) => {
    const index = segments.indexOf(segment);
    progress.update(`reading segment ${formatCount(index + 1)} of ${formatCount(segments.length)}`);
  };
  return verifyArchive(flow, archive, { removeLeftovers, signal, onSegment }).finally(() => progress.end());
}

type RestoreFlags = { to: string; fromStore?: string; fromSeq?: number; toSeq?: number; incomplete: boolean };

function checkRestore({ fromStore, fromSeq = 1, toSeq = fromSeq }: RestoreFlags): void {
  if (fromStore !== undefined) storeUrl(fromStore);
  if (toSeq < fromSeq) throw new OrderctlError("usage", "--to-seq lies before --from-seq");
}

async function restoreRange(online: Online, flags: RestoreFlags): Promise<undefined> {
  const { terminal, signal } = online;
  const startedAt = performance.now();
  const archive = new SegmentedLog(online.connection, online.flow, online.env);
  const segments = await findSegments(online, archive, flags);
  const range = rangeOf(segments, flags);
  const target = await openRestoreTarget(online, flags.to);
  if (target.isLog && !flags.incomplete) mustBeTheEnd(range, segments.at(-1)?.to ?? 0);
  const seen = nothingRestored();
  await run(online, archive, { plan: { ...target, segments, ...range }, target, seen });
  if (signal.aborted) throw interrupted(online, seen);
  const { stream, isLog } = target;
  const tookMs = Math.round(performance.now() - startedAt);
  terminal.show("archive-restore", { ...seen, stream, isLog, ...range, tookMs }, restoreView);
  return undefined;
}

/** Services would go on with orders of which they had stored what is not restored. */
function mustBeTheEnd({ to }: { to: number }, last: number): void {
  if (to >= last) return;
  const text = `messages ${to + 1} to ${last} would be missing: services would work again on orders that have gone further`;
  throw new OrderctlError("usage", text, {
    hint: "--incomplete restores the rest, where those messages are lost",
  });
}

/** Those that the manifest names, or the entries in a store where the broker that had the manifest is lost. */
async function findSegments(
  online: Online,
  archive: SegmentedLog,
  { fromStore, toSeq }: RestoreFlags,
): Promise<readonly Segment[]> {
  const { flow, terminal } = online;
  if (fromStore === undefined) return (await openFilled(online)).manifest.segments;
  const { segments, others, isCut } = await readStoredEntries(
    await archive.storeAt(storeUrl(fromStore)),
    flow.stream,
  );
  if (others > 0)
    terminal.note(
      `entries of another ${flow.stream} are in the store as well; this is the one whose last message is the newest`,
    );
  const end = segments.at(-1)?.to ?? 0;
  if (!isCut || toSeq !== undefined) return segments;
  throw new OrderctlError(
    "conflict",
    `the entry of the segment behind message ${end} is missing in ${fromStore}`,
    {
      hint: `--to-seq ${end} restores what is before it`,
      source: "store",
    },
  );
}

async function openFilled(online: Online): Promise<SegmentedLog> {
  try {
    return await openSegments(online);
  } catch (thrown) {
    const error = OrderctlError.from(thrown);
    if (error.code !== "not_found") throw error;
    const hint = "--from-store names the store of a log whose broker was lost";
    throw new OrderctlError(error.code, error.message, { hint, cause: error });
  }
}

/** Rejects with `not_found` for a range that is not archived, or whose messages are not in the store. */
function rangeOf(
  segments: readonly Segment[],
  { fromSeq, toSeq }: RestoreFlags,
): { from: number; to: number } {
  const [first, last] = [segments[0]?.from ?? 1, segments.at(-1)?.to ?? 0];
  const range = { from: fromSeq ?? first, to: toSeq ?? last };
  if (range.from < first || range.to > last)
    throw new OrderctlError("not_found", `messages ${range.from} to ${range.to} are not all archived`, {
      hint: `the archive holds ${first} to ${last}`,
    });
  const gone = segments.findLast(
    ({ from, to, prunedAtMs }) => prunedAtMs !== undefined && from <= range.to && to >= range.from,
  );
  if (!gone) return range;
  const { from, to, files, store } = gone;
  throw new OrderctlError(
    "not_found",
    `messages ${from} to ${to} were pruned: ${files.data.name} is no more in ${store}`,
    { hint: to < last ? `--from-seq ${to + 1} restores what is behind them` : undefined },
  );
}

/** How often it is asked whether a service works meanwhile. */
const quietEveryMs = 5000;

async function run(
  online: Online,
  archive: SegmentedLog,
  { plan, target, seen }: { plan: RestorePlan; target: RestoreTarget; seen: Restored },
): Promise<void> {
  const { connection, flow, terminal, signal } = online;
  let askedAt = Number.NEGATIVE_INFINITY;
  const onSegment = async () => {
    if (!target.isLog || performance.now() - askedAt < quietEveryMs) return;
    await mustBeQuiet(online);
    askedAt = performance.now();
  };
  const progress = await terminal.progress();
  const startedAt = performance.now();
  const total = Math.max(1, sumOf(plan.segments.map((segment) => shareOf(segment, plan))));
  const timer = setInterval(() => {
    const done = seen.stored + seen.alreadyThere + seen.repeats;
    const rate = (1000 * seen.stored) / (performance.now() - startedAt);
    const share = Math.min(100, Math.floor((100 * done) / total));
    progress.update(`restoring: ${share}%, ${formatCount(done)} messages, ${formatRate(rate)}`);
  }, 100);
  try {
    await restore({ connection, flow, archive, plan, signal, seen, onSegment });
  } catch (thrown) {
    throw signal.aborted ? interrupted(online, seen) : withWayOn(thrown, online, seen);
  } finally {
    clearInterval(timer);
    progress.end();
  }
}

/** About how many messages of a segment are in the range. */
const shareOf = ({ from, to, events }: Segment, range: RestorePlan): number =>
  (events * Math.max(0, Math.min(to, range.to) - Math.max(from, range.from) + 1)) / (to - from + 1);

const interrupted = ({ argv }: Online, { stored }: Restored): OrderctlError =>
  new OrderctlError("interrupted", `interrupted; ${formatCount(stored)} messages were stored`, {
    hint: `to go on: ${sameCommand(argv)}`,
  });

/** After an error that may pass, the same command goes on. */
function withWayOn(thrown: unknown, { argv }: Online, { stored }: Restored): OrderctlError {
  const error = OrderctlError.from(thrown);
  if (stored === 0) return error;
  const { code, message, source } = error;
  const own = hintText(error.hint);
  const hint = [
    ...(own ? [own] : []),
    `${formatCount(stored)} messages were stored; to go on: ${sameCommand(argv)}`,
  ];
  return new OrderctlError(code, message, { hint: hint.join("\n  "), source, cause: error });
}

type PruneFlags = { olderThan: Moment; dryRun: boolean; yes: boolean };

async function pruneOld(online: Online, { olderThan, dryRun, yes }: PruneFlags): Promise<undefined> {
  const { flow, terminal, signal } = online;
  const archive = await openSegments(online);
  const { nowUs } = await readClock(online, flow.stream);
  const plan = await planPrune(flow.stream, archive, placeMoment(olderThan, nowUs()));
  const { segments, keys } = plan.report;
  if (segments.length > 0 && !dryRun && !yes)
    throw new OrderctlError(
      "usage",
      `this removes ${formatCount(segments.length)} segments with messages of ${formatCount(keys)} orders for good`,
      { hint: "--yes does it; --dry-run tells which promises end" },
    );
  if (!dryRun) await pruneSegments(archive, plan, signal);
  terminal.show("archive-prune", { dryRun, ...plan.report }, pruneView);
  return undefined;
}
