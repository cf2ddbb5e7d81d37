import { OrderctlError } from "../core/errors.ts";
import { untilAborted } from "../core/waiting.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { readReplayStream } from "../jetstream/streams/replay-streams.ts";
import { ReplayRun, type RunOptions } from "./run.ts";
import type { ReplayPlan } from "./selection.ts";
import type { ReplayCounts } from "./tally.ts";
import type { ReplayResult } from "./target.ts";

export type ReplayOptions = RunOptions & {
  onProgress?: (progress: ReplayProgress) => void;
};

/** Of `total` messages `read` were looked at; the next one is due in `waitMs`. */
export type ReplayProgress = { read: number; total: number; elapsedS: number; waitMs: number };

export type ReplayReport = ReplayCounts & {
  stream: string;
  /** The stream's last sequence that is part of it: later ones were stored after it began. */
  toSequence: number;
  /**
   * Messages of it that were deleted, purged or expired before they were read; `null` where it ended early. Some too few
   * where others were stored while it began, never too many.
   */
  gone: number | null;
  /** Times as fast as they were stored; `null` for as fast as it went. */
  speed: number | null;
  seconds: number;
  perSecond: number;
  result: ReplayResult;
  /** Where to go on; `null` where all is done. What comes before it is done, what comes after it may be. */
  resumeFromSequence: number | null;
};

const progressEveryMs = 100;
/** What is under way when it is stopped has as long as an acknowledgement may take. */
const drainMs = 5000;

/**
 * Replays the plan's messages to a target, in stream order, with no more in memory than two batches and what the target
 * has under way. Resolves also where it ended early: `failure` says why.
 */
export async function replay(
  connection: Connection,
  options: ReplayOptions,
): Promise<{ report: ReplayReport; failure: OrderctlError | undefined }> {
  const { plan, target, speed, onProgress } = options;
  const run = new ReplayRun(options);
  const startedAt = performance.now();
  const elapsedS = () => (performance.now() - startedAt) / 1000;
  const tell = () => onProgress?.({ ...run.progress(), total: plan.total, elapsedS: elapsedS() });
  const timer = setInterval(tell, progressEveryMs);
  let gone: number | null = null;
  try {
    await run.feed(connection);
    await untilAborted(target.drain(), run.stop, drainMs);
    if (run.resumeFrom() === null) gone = await countGone(connection, plan, run.progress().read);
  } catch (thrown) {
    run.fail(OrderctlError.from(thrown));
  } finally {
    clearInterval(timer);
  }
  const seconds = elapsedS();
  await target.close().catch((thrown) => run.fail(OrderctlError.from(thrown)));
  // What was under way may still have been settled.
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

/** A count of the broker may be wrong, or a clock that went back; what it removed since tells whether anything is gone. */
async function countGone(
  connection: Connection,
  { place, total, removed }: ReplayPlan,
  read: number,
): Promise<number> {
  if (read >= total) return 0;
  const now = await readReplayStream(connection, place.stream);
  return Math.max(0, Math.min(total - read, now.removed - removed));
}
