import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../core/errors.ts";
import { untilAborted } from "../core/waiting.ts";
import type { Flow, FlowEvent } from "../flow/flow.ts";
import type { Origin } from "../flow/process-event.ts";
import { createFirstPublisher, type PublishEvent, readEarlier } from "../flow/publish-event.ts";
import type { Publisher } from "../jetstream/publish/publisher.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";

/** Once the caller wants to stop, what is in flight has as long as an acknowledgement may take. */
const drainMs = 5000;

export type Pace = { rate: number; profile: Profile };

export type PublishOptions<E extends FlowEvent> = {
  origin: Origin;
  telemetry?: Pick<Telemetry, "tracing" | "metrics"> | undefined;
  /** Without one, as fast as the window allows. */
  pace?: Pace | undefined;
  /** Stops the source; what is in flight is still waited for. */
  signal: AbortSignal;
  onSent?: ((order: E) => void) | undefined;
  onStored?: ((order: E, duplicate: boolean) => void) | undefined;
  /** Told of an order that is not stored as what is under its id is no order. */
  onBlocked?: ((order: E, why: OrderctlError) => void) | undefined;
  /** Told beside `onStored` of an order that is not the one that its id already names. */
  onConflict?: ((order: E) => void) | undefined;
};

/** What became of the orders of a source. `failure` is the error that ended it before its time. */
export type PublishCounts = {
  stored: number;
  duplicates: number;
  /** Orders that may be stored: the broker's answer did not come before the end. */
  unknown: number;
  seconds: number;
  failure: OrderctlError | undefined;
};

/**
 * Stores every order of `source`, in its order, with the publisher's window full and no more than that in
 * memory. The first error ends it, and closes the publisher; whatever happens, `stored` counts what the broker has
 * acknowledged.
 */
export async function publishEvents<E extends FlowEvent>(
  { flow, publisher }: { flow: Flow<E>; publisher: Publisher },
  source: AsyncIterable<E> | Iterable<E>,
  options: PublishOptions<E>,
): Promise<PublishCounts> {
  const counts: PublishCounts = { stored: 0, duplicates: 0, unknown: 0, seconds: 0, failure: undefined };
  const startedAt = performance.now();
  const due = dueAt(options);
  const publish = createFirstPublisher(flow, { publisher, telemetry: options.telemetry }, options.origin);
  let sent = 0;
  try {
    for await (const order of source) {
      await due(sent);
      if (publisher.isFull) await untilAborted(publisher.ready(), options.signal);
      if (counts.failure || options.signal.aborted) break;
      sent += 1;
      options.onSent?.(order);
      void publishOne(flow, order, { publish, options, counts });
    }
  } catch (thrown) {
    if (!options.signal.aborted) counts.failure ??= OrderctlError.from(thrown);
  }
  await end(publisher, options.signal, counts);
  counts.seconds = (performance.now() - startedAt) / 1000;
  return counts;
}

/** What is under way is waited for, but where one order was given up for an outage: so are the others. */
async function end(publisher: Publisher, signal: AbortSignal, counts: PublishCounts): Promise<void> {
  if (counts.failure?.code !== "unavailable") await untilAborted(publisher.drain(), signal, drainMs);
  if (signal.aborted)
    counts.failure ??= new OrderctlError("interrupted", "interrupted before the last order");
  if (!counts.failure) return;
  publisher.close();
  // Each that was under way tells how it ended.
  await wait(0);
}

async function publishOne<E extends FlowEvent>(
  flow: Flow<E>,
  order: E,
  {
    publish,
    options,
    counts,
  }: {
    publish: PublishEvent<E>;
    options: PublishOptions<E>;
    counts: PublishCounts;
  },
): Promise<void> {
  try {
    const stored = await publish(order);
    const earlier = readEarlier(flow, order, stored);
    const { duplicate } = stored;
    if (duplicate) counts.duplicates += 1;
    else counts.stored += 1;
    options.onStored?.(order, duplicate);
    if (earlier && !flow.isSame(order, earlier)) options.onConflict?.(order);
  } catch (thrown) {
    const error = OrderctlError.from(thrown);
    if (error.code === "conflict" && error.fault === "message") return options.onBlocked?.(order, error);
    if (error.isUncertain) counts.unknown += 1;
    counts.failure ??= error;
  }
}

/** Waits until the order with an index is due. */
function dueAt({
  pace,
  signal,
}: Pick<PublishOptions<FlowEvent>, "pace" | "signal">): (index: number) => Promise<void> | undefined {
  if (!pace) return () => undefined;
  let due = 0;
  // From the first order on: a source that takes its time to begin is not caught up with.
  let startedAt: number | undefined;
  return async (index) => {
    startedAt ??= performance.now();
    while (index >= due && !signal.aborted) {
      due = dueBy((performance.now() - startedAt) / 1000, pace);
      if (index >= due) await wait(2);
    }
  };
}

export type Profile = "steady" | "burst";

const burstPeriodS = 10;
const burstShare = 1 / 5;
const burstFactor = 5;

/**
 * How many orders are due `elapsedS` seconds after the start. `steady`: `rate` per second. `burst`: in every ten
 * seconds eight at `rate` and then two at five times `rate`.
 */
export function dueBy(elapsedS: number, { rate, profile }: { rate: number; profile: Profile }): number {
  if (profile === "steady") return Math.floor(rate * elapsedS);
  const calmS = burstPeriodS * (1 - burstShare);
  const perPeriod = rate * (calmS + burstPeriodS * burstShare * burstFactor);
  const intoPeriodS = elapsedS % burstPeriodS;
  const inPeriod = rate * (intoPeriodS + Math.max(0, intoPeriodS - calmS) * (burstFactor - 1));
  return Math.floor(Math.floor(elapsedS / burstPeriodS) * perPeriod + inPeriod);
}
