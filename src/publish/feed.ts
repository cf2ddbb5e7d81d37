import { hintText } from "../cli/hints.ts";
import type { OrderctlError } from "../core/errors.ts";
import type { ArchivedKeys } from "../flow/archived-log.ts";
import type { FlowEvent, FlowLog } from "../flow/flow.ts";
import { flowTopology } from "../flow/flow-topology.ts";
import type { Origin } from "../flow/process-event.ts";
import { Publisher } from "../jetstream/publish/publisher.ts";
import { applyTopology } from "../jetstream/streams/apply-topology.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import { type Endings, EndingsFollower } from "./follow-endings.ts";
import { type Pace, publishEvents } from "./publish-events.ts";

export type FeedOptions = {
  origin: Origin;
  window: number;
  pace?: Pace | undefined;
  /** Where the publishing is reported; omitted: nowhere. */
  telemetry?: Pick<Telemetry, "tracing" | "metrics"> | undefined;
  /** Wait until every order has ended; give up when none has ended for this long. */
  waitMs?: number | undefined;
  /** Orders that have begun in the archive are not stored again. */
  archivedKeys?: ArchivedKeys | undefined;
  signal: AbortSignal;
  onProgress?: (progress: FeedProgress) => void;
};

/** `done` orders are stored or were already; `underWay` of the followed ones have not ended, null without following. */
export type FeedProgress = { done: number; elapsedS: number; underWay: number | null };

export type FeedReport = {
  stored: number;
  /** Orders whose id was already in the log: nothing was stored for them. */
  duplicates: number;
  /** Duplicates whose content differs from the stored order; `conflicting` lists the first ids. */
  conflicts: number;
  conflicting: string[];
  /**
   * Orders that cannot be stored because the message under their id is not a valid order; `blockedBy` lists the first
   * errors.
   */
  blocked: number;
  blockedBy: string[];
  /** Orders of unknown fate: the run ended before the broker answered, so they may be stored. */
  unknown: number;
  seconds: number;
  perSecond: number;
  firstOrderId: string | null;
  endings: Endings | null;
};

const progressEveryMs = 100;

/** Counts all texts and keeps those of the first places to show: answers come in another order than was asked. */
class FirstFew {
  count = 0;
  #first: { place: number; text: string }[] = [];

  add(place: number, text: string): void {
    this.count += 1;
    this.#first.push({ place, text });
    this.#first = this.#first.sort((a, b) => a.place - b.place).slice(0, 20);
  }

  get shown(): string[] {
    return this.#first.map(({ text }) => text);
  }
}

/**
 * Publishes a source of orders and, with `waitMs`, follows each to its ending. The report counts what the broker
 * acknowledged, even after an error. `failure` is what ended the feed early: an error, or the caller's signal.
 * `isStored` is true when publishing was complete by then.
 */
export async function feed<E extends FlowEvent>(
  log: FlowLog<E>,
  source: AsyncIterable<E> | Iterable<E>,
  options: FeedOptions,
): Promise<{ report: FeedReport; failure: OrderctlError | undefined; isStored: boolean }> {
  const { connection, flow } = log;
  await applyTopology(connection, flowTopology(flow));
  const publisher = new Publisher(connection, { window: options.window });
  const follower = options.waitMs === undefined ? undefined : await EndingsFollower.open(log);
  const startedAt = performance.now();
  let done = 0;
  const conflicts = new FirstFew();
  const blocked = new FirstFew();
  let firstOrderId: string | null = null;
  const tell = () => {
    const elapsedS = (performance.now() - startedAt) / 1000;
    options.onProgress?.({ done, elapsedS, underWay: follower?.underWay ?? null });
  };
  const timer = setInterval(tell, progressEveryMs);
  try {
    const { failure, ...counts } = await publishEvents({ flow, publisher }, source, {
      ...options,
      onSent: (event) => follower?.started(flow.keyOf(event)),
      onStored: (event, duplicate) => {
        done += 1;
        firstOrderId ??= flow.keyOf(event);
        if (duplicate) follower?.forget(flow.keyOf(event));
      },
      onConflict: (event, place) => conflicts.add(place, flow.keyOf(event)),
      onBlocked: (event, place, why) => {
        done += 1;
        follower?.forget(flow.keyOf(event));
        blocked.add(place, `${why.message}; ${hintText(why.hint)}`);
      },
    });
    const stalled = failure ? undefined : await follower?.whenAllEnded(options.waitMs ?? 0, options.signal);
    const report = {
      ...counts,
      conflicts: conflicts.count,
      conflicting: conflicts.shown,
      blocked: blocked.count,
      blockedBy: blocked.shown,
      perSecond: done / counts.seconds,
      firstOrderId,
      endings: follower?.endings() ?? null,
    };
    return { report, failure: failure ?? stalled, isStored: !failure };
  } finally {
    clearInterval(timer);
    publisher.close();
    await follower?.close();
  }
}
