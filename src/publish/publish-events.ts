import { setTimeout as wait } from "node:timers/promises";
import { ChangeSignal } from "../core/change-signal.ts";
import { OrderctlError } from "../core/errors.ts";
import { untilAborted } from "../core/waiting.ts";
import type { ArchivedKeys } from "../flow/archived-log.ts";
import type { Flow, FlowEvent } from "../flow/flow.ts";
import type { Origin } from "../flow/process-event.ts";
import {
  type Asking,
  createFirstPublisher,
  findArchived,
  type PublishEvent,
  readEarlier,
  whenRead,
} from "../flow/publish-event.ts";
import type { Stored } from "../jetstream/publish/publication.ts";
import type { Publisher } from "../jetstream/publish/publisher.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";

/** How long a stopped caller waits for publishes in flight: as long as an acknowledgement may take. */
const drainMs = 5000;
/** How many orders are looked up in the archive at the same time. */
const mostLookUps = 16;

export type Pace = { rate: number; profile: Profile };

export type PublishOptions<E extends FlowEvent> = {
  origin: Origin;
  telemetry?: Pick<Telemetry, "tracing" | "metrics"> | undefined;
  /** Orders that have begun in the archive are not stored again. */
  archivedKeys?: ArchivedKeys | undefined;
  /** Without a pace, as fast as the publisher's window allows. */
  pace?: Pace | undefined;
  /** Stops reading the source; publishes in flight are still waited for. */
  signal: AbortSignal;
  onSent?: ((order: E) => void) | undefined;
  onStored?: ((order: E, duplicate: boolean) => void) | undefined;
  /**
   * Called for an order that cannot be stored because the message under its id is not a valid order. `place`: its
   * place in the source, as answers come in another order than was asked.
   */
  onBlocked?: ((order: E, place: number, why: OrderctlError) => void) | undefined;
  /** Called after `onStored` for a duplicate whose content differs from the order stored under its id. */
  onConflict?: ((order: E, place: number) => void) | undefined;
};

/** What became of the orders of a source. `failure` is the error that ended the run early. */
export type PublishCounts = {
  stored: number;
  duplicates: number;
  /** Orders of unknown fate: the run ended before the broker answered, so they may be stored. */
  unknown: number;
  seconds: number;
  failure: OrderctlError | undefined;
};

/**
 * Stores every order of `source` that is not archived, in that order. Keeps the publisher's window full, and no more
 * orders in memory than that and 16 that are looked up in the archive. The first error ends the run and closes the
 * publisher; `stored` always counts what the broker acknowledged.
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
  const lookUps = new LookUps();
  const asking = { publisher, signal: options.signal };
  const publishing = { flow, asking, lookUps, publish, options, counts };
  let sent = 0;
  try {
    for await (const order of source) {
      await due(sent);
      if (publisher.isFull) await untilAborted(publisher.ready(), options.signal);
      // Waited for one by one, so that the orders stay in the order of the source.
      await whenRead(options.archivedKeys, asking);
      if (counts.failure || options.signal.aborted) break;
      sent += 1;
      options.onSent?.(order);
      await publishNext(publishing, { order, place: sent });
    }
  } catch (thrown) {
    if (!options.signal.aborted) counts.failure ??= OrderctlError.from(thrown);
  }
  await untilAborted(lookUps.drain(), options.signal, drainMs);
  await end(publisher, options.signal, counts);
  counts.seconds = (performance.now() - startedAt) / 1000;
  return counts;
}

/**
 * Waits for publishes in flight, unless one was given up because of an outage: the others would be given up as well.
 */
async function end(publisher: Publisher, signal: AbortSignal, counts: PublishCounts): Promise<void> {
  const { failure } = counts;
  const isOutage = failure?.code === "unavailable" && failure.source !== "store";
  if (!isOutage) await untilAborted(publisher.drain(), signal, drainMs);
  if (signal.aborted) counts.failure ??= new OrderctlError("interrupted", "interrupted before the last one");
  if (!counts.failure) return;
  publisher.close();
  // Lets the publishes that `close` rejected settle, so that they are counted.
  await wait(0);
}

/** What publishes the orders, and where it counts what became of them. */
type Publishing<E extends FlowEvent> = {
  flow: Flow<E>;
  asking: Asking;
  lookUps: LookUps;
  publish: PublishEvent<E>;
  options: PublishOptions<E>;
  counts: PublishCounts;
};

type Placed<E> = { order: E; place: number };

/** The orders of which the archive is asked. */
class LookUps {
  readonly #changes = new ChangeSignal();
  #count = 0;

  /** Resolves when there is room for another one. */
  add(settled: Promise<void>): Promise<void> {
    this.#count += 1;
    void settled.then(() => {
      this.#count -= 1;
      this.#changes.changed();
    });
    return this.#changes.until(() => this.#count < mostLookUps);
  }

  drain(): Promise<void> {
    return this.#changes.until(() => this.#count === 0);
  }
}

/** Publishes an order. Where it is looked up in the archive, resolves when there is room to look up another one. */
function publishNext<E extends FlowEvent>(
  publishing: Publishing<E>,
  placed: Placed<E>,
): Promise<unknown> | undefined {
  const { flow, asking, lookUps, publish, options } = publishing;
  const { order } = placed;
  const archived = findArchived(options.archivedKeys, flow.keyOf(order), asking);
  const storing = archived ? archived.then((earlier) => earlier ?? publish(order)) : publish(order);
  const settled = settle(publishing, placed, storing);
  return archived && untilAborted(lookUps.add(settled), options.signal);
}

async function settle<E extends FlowEvent>(
  publishing: Publishing<E>,
  placed: Placed<E>,
  storing: Promise<Stored>,
): Promise<void> {
  try {
    onStored(publishing, placed, await storing);
  } catch (thrown) {
    onFailed(publishing, placed, OrderctlError.from(thrown));
  }
}

function onStored<E extends FlowEvent>(
  { flow, options, counts }: Publishing<E>,
  { order, place }: Placed<E>,
  stored: Stored,
): void {
  const earlier = readEarlier(flow, order, stored);
  const { duplicate } = stored;
  if (duplicate) counts.duplicates += 1;
  else counts.stored += 1;
  options.onStored?.(order, duplicate);
  if (earlier && !flow.isSame(order, earlier)) options.onConflict?.(order, place);
}

function onFailed<E extends FlowEvent>(
  { options, counts }: Publishing<E>,
  { order, place }: Placed<E>,
  error: OrderctlError,
): void {
  const isBlocked = error.code === "conflict" && error.source === "message";
  if (isBlocked) return void options.onBlocked?.(order, place, error);
  if (error.isUncertain) counts.unknown += 1;
  counts.failure ??= error;
}

/** Returns a function that waits until the order with the given index is due. */
function dueAt({
  pace,
  signal,
}: Pick<PublishOptions<FlowEvent>, "pace" | "signal">): (index: number) => Promise<void> | undefined {
  if (!pace) return () => undefined;
  let due = 0;
  // Set by the first order, so that a source that starts slowly is not caught up with.
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
 * seconds, eight at `rate` and then two at five times `rate`.
 */
export function dueBy(elapsedS: number, { rate, profile }: { rate: number; profile: Profile }): number {
  if (profile === "steady") return Math.floor(rate * elapsedS);
  const calmS = burstPeriodS * (1 - burstShare);
  const perPeriod = rate * (calmS + burstPeriodS * burstShare * burstFactor);
  const intoPeriodS = elapsedS % burstPeriodS;
  const inPeriod = rate * (intoPeriodS + Math.max(0, intoPeriodS - calmS) * (burstFactor - 1));
  return Math.floor(Math.floor(elapsedS / burstPeriodS) * perPeriod + inPeriod);
}
