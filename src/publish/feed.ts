import type { OrderctlError } from "../core/errors.ts";
import type { Flow, FlowEvent } from "../flow/flow.ts";
import type { Origin } from "../flow/process-event.ts";
import { flowTopology } from "../flow/topology.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { Publisher } from "../jetstream/publish/publisher.ts";
import { applyTopology } from "../jetstream/streams/topology.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import { type Endings, EndingsFollower } from "./follow-endings.ts";
import { type Pace, publishEvents } from "./publish-events.ts";

export type FeedOptions = {
  origin: Origin;
  window: number;
  pace?: Pace | undefined;
  /** Where the publishing is reported; nowhere by default. */
  telemetry?: Pick<Telemetry, "tracing" | "metrics"> | undefined;
  /** Wait until every order has ended; give up when for so long none did. */
  waitMs?: number | undefined;
  signal: AbortSignal;
  onProgress?: (progress: FeedProgress) => void;
};

/** `done` orders are stored or were there; of those that are followed `underWay` have not ended. */
export type FeedProgress = { done: number; elapsedS: number; underWay: number | null };

export type FeedReport = {
  stored: number;
  /** Orders whose id the log already held: nothing was stored for them. */
  duplicates: number;
  /** Of these, orders that are others than those stored under their ids; `conflicting` are the first of them. */
  conflicts: number;
  conflicting: string[];
  /** Orders that are not stored as what is under their ids is no order; `blockedBy` says so of the first of them. */
  blocked: number;
  blockedBy: string[];
  /** Orders that may be stored: the broker's answer did not come before the end. */
  unknown: number;
  seconds: number;
  perSecond: number;
  firstOrderId: string | null;
  endings: Endings | null;
};

const progressEveryMs = 100;

/** Counts all and keeps the first to show. */
class FirstFew {
  count = 0;
  readonly shown: string[] = [];

  add(text: string): void {
    this.count += 1;
    if (this.shown.length < 20) this.shown.push(text);
  }
}

/**
 * Puts a source of orders into the log and, if asked to, follows each to its end. The report counts what the broker
 * acknowledged, whatever happened; `failure` is what ended it early: an error, or the caller's signal. `isStored` says whether
 * that was after the last order was stored.
 */
export async function feed<E extends FlowEvent>(
  { connection, flow }: { connection: Connection; flow: Flow<E> },
  source: AsyncIterable<E> | Iterable<E>,
  options: FeedOptions,
): Promise<{ report: FeedReport; failure: OrderctlError | undefined; isStored: boolean }> {
  await applyTopology(connection, flowTopology(flow));
  const publisher = new Publisher(connection, { window: options.window });
  const follower =
    options.waitMs === undefined ? undefined : await EndingsFollower.open({ connection, flow });
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
      onConflict: (event) => conflicts.add(flow.keyOf(event)),
      onBlocked: (event, why) => {
        done += 1;
        follower?.forget(flow.keyOf(event));
        blocked.add(`${why.message}; ${why.hint}`);
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
