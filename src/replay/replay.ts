import { OrderctlError } from "../core/errors.ts";
import { untilAborted } from "../core/waiting.ts";
import type { FlowLog } from "../flow/flow.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { readReplayStream } from "../jetstream/streams/replay-streams.ts";
import { ReplayRun, type RunOptions } from "./run.ts";
import { countRemoved, type ReplayPlan } from "./selection.ts";
import type { ReplayCounts } from "./tally.ts";
import type { ReplayResult } from "./target.ts";

export type ReplayOptions = RunOptions & {
  onProgress?: (progress: ReplayProgress) => void;
};

/** `read` of `total` messages were read; the next one is due in `waitMs`. */
export type ReplayProgress = { read: number; total: number; elapsedS: number; waitMs: number };

export type ReplayReport = ReplayCounts & {
  stream: string;
  /** The last sequence that belongs to the replay: later messages were stored after it began. */
  toSequence: number;
  /**
   * Messages that were deleted, purged or expired before they could be read; `null` when the replay ended early. Too
   * low when messages were stored while the replay began, never too high.
   */
  gone: number | null;
  /** A factor on the pace at which the messages were stored; `null` for as fast as possible. */
  speed: number | null;
  seconds: number;
  perSecond: number;
  result: ReplayResult;
  /** Where to resume; `null` when everything is settled. All earlier messages are settled; later ones may be. */
  resumeFromSequence: number | null;
};

const progressEveryMs = 100;
/** How long a stopped replay waits for messages in progress: as long as an acknowledgement may take. */
const drainMs = 5000;

/**
 * Replays the plan's messages to a target, in stream order. Keeps at most two batches in memory, plus what the target
 * has in progress. Resolves even when the replay ends early; `failure` then says why.
 */
export async function replay(
  log: FlowLog,
  options: ReplayOptions,
): Promise<{ report: ReplayReport; failure: OrderctlError | undefined }> {
  const { plan, target, speed, onProgress } = options;
  const run = new ReplayRun(options);
  const startedAt = performance.now();
  const elapsedS = () => (performance.now() - startedAt) / 1000;
  const tell = () => onProgress?.(progressOf(run, plan.total, elapsedS()));
  const timer = setInterval(tell, progressEveryMs);
  let gone: number | null = null;
  try {
    await run.feed(log);
    await untilAborted(target.drain(), run.stop, drainMs);
    if (run.resumeFrom() === null) gone = await countGone(log.connection, plan, run.progress().read);
  } catch (thrown) {
    run.fail(OrderctlError.from(thrown));
  } finally {
    clearInterval(timer);
  }
  const seconds = elapsedS();
  await target.close().catch((thrown) => run.fail(OrderctlError.from(thrown)));
  // Read only after `close`: messages in progress may have been settled meanwhile.
  const resumeFromSequence = run.resumeFrom();
  const report = {
    stream: plan.place.stream,
    toSequence: plan.place.toSequence,
    ...run.tally.counts(),
    gone,
    speed,
    seconds,
    perSecond: run.tally.messages / seconds,
    result: target.result(),
    resumeFromSequence,
  };
  return { report, failure: run.failure };
}

/**
 * The planned total may be too high (a miscount by the broker, or its clock went back), so at most the messages that
 * the stream lost since the planning count as gone.
 */
async function countGone(
  connection: Connection,
  { place, archivedTo, total, removed }: ReplayPlan,
  read: number,
): Promise<number> {
  if (read >= total) return 0;
  const now = await readReplayStream(connection, place.stream);
  const lost = (await countRemoved(connection, now, archivedTo)) - removed;
  return Math.max(0, Math.min(total - read, lost));
}

/** What is archived of a plan is counted once it is read. */
function progressOf(run: ReplayRun, total: number, elapsedS: number): ReplayProgress {
  const { read, archived, waitMs } = run.progress();
  return { read: read + archived, total: total + archived, elapsedS, waitMs };
}
