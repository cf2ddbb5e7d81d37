import type { ProcessStatus } from "../flow/process-status.ts";
import type { ConsumerLag, StreamLag } from "../jetstream/streams/lag.ts";

/** A process that answered and does so no longer. Times are by the broker's clock. */
export type GoneProcess = Pick<ProcessStatus, "instance" | "services" | "startedAt"> & {
  lastSeenAt: string;
  goneMs: number;
  /** Deliveries that it must still hold, as far as what the others have in hand and what it said at last tell. */
  holds: number;
  /** By consumer. */
  held: Record<string, number>;
  /** By when these come again; `null` where it holds none. */
  comesAgainBy: string | null;
};

/** One answer may be late. */
const leastMisses = 2;
const keptMs = 300_000;

type Missing = {
  status: ProcessStatus;
  lastSeenMs: number;
  missedAtMs: number;
  misses: number;
  /** By consumer: the fewest that it can have held in any sample since. */
  held: Map<string, number>;
};

type Seen = { status: ProcessStatus; seenMs: number };

/**
 * Remembers processes that stopped answering from one sample to the next. What they hold is the least that fits: no more than
 * they said they had in hand, no more than is not acknowledged and in no other process's hands, and nothing once their time is
 * up. An orderly stop hands everything back, and so holds nothing.
 */
export class GoneProcesses {
  readonly #seen = new Map<string, Seen>();
  readonly #missing = new Map<string, Missing>();

  /** Takes one sample of both and answers who is gone, the last one first. */
  add(lag: StreamLag, processes: readonly ProcessStatus[]): GoneProcess[] {
    const nowMs = Date.parse(lag.sampledAt);
    const answering = new Set(processes.map(keyOf));
    for (const [key, { status, seenMs }] of this.#seen) {
      if (answering.has(key)) continue;
      this.#seen.delete(key);
      const held = new Map(status.workers.map(({ consumer, inFlight }) => [consumer, inFlight]));
      this.#missing.set(key, { status, lastSeenMs: seenMs, missedAtMs: nowMs, misses: 0, held });
    }
    for (const status of processes) {
      this.#missing.delete(keyOf(status));
      this.#seen.set(keyOf(status), { status, seenMs: nowMs });
    }
    for (const [key, missing] of this.#missing) {
      missing.misses += 1;
      for (const consumer of lag.consumers) this.#lower(missing, consumer, processes);
      if (nowMs - missing.lastSeenMs > keptMs) this.#missing.delete(key);
    }
    return [...this.#missing.values()]
      .filter(({ misses }) => misses >= leastMisses)
      .map((missing) => describe(missing, lag, nowMs))
      .sort((a, b) => a.goneMs - b.goneMs);
  }

  #lower(
    { held }: Missing,
    { consumer, ackPending }: ConsumerLag,
    processes: readonly ProcessStatus[],
  ): void {
    const before = held.get(consumer);
    if (before === undefined) return;
    const others = workersOf(processes, consumer);
    const missing = [...this.#missing.values()].filter((each) => each.held.has(consumer));
    const inHand = others.reduce((sum, { inFlight }) => sum + inFlight, 0);
    const most = Math.max(0, ackPending - inHand);
    // Where it was alone, all is its own, also what it had not begun with when it last answered.
    const wasAlone = others.length === 0 && missing.length === 1;
    held.set(consumer, wasAlone ? most : Math.min(before, most));
  }
}

/** One that was started anew under the same name is another. */
const keyOf = ({ instance, startedAt }: ProcessStatus): string => `${instance} ${startedAt}`;

const workersOf = (processes: readonly ProcessStatus[], consumer: string): ProcessStatus["workers"] =>
  processes.flatMap(({ workers }) => workers.filter((worker) => worker.consumer === consumer));

function describe(
  { status, lastSeenMs, missedAtMs, held }: Missing,
  lag: StreamLag,
  nowMs: number,
): GoneProcess {
  const { instance, services, startedAt } = status;
  // It may have asked for more time until it was missed.
  const endOf = ({ ackWaitMs }: ConsumerLag) => missedAtMs + (ackWaitMs ?? 0);
  const holding = lag.consumers.filter((each) => (held.get(each.consumer) ?? 0) > 0 && endOf(each) > nowMs);
  const counts = holding.map(({ consumer }) => [consumer, held.get(consumer) ?? 0] as const);
  return {
    instance,
    services,
    startedAt,
    lastSeenAt: new Date(lastSeenMs).toISOString(),
    goneMs: nowMs - lastSeenMs,
    holds: counts.reduce((sum, [, count]) => sum + count, 0),
    held: Object.fromEntries(counts),
    comesAgainBy: holding.length === 0 ? null : new Date(Math.max(...holding.map(endOf))).toISOString(),
  };
}

/** What the gone ones hold is held, however well the rest of a consumer's messages flow. */
export const withGone = (lag: StreamLag, gone: readonly GoneProcess[]): StreamLag => ({
  ...lag,
  consumers: lag.consumers.map((consumer) => {
    const holders = gone.filter(({ held }) => held[consumer.consumer] !== undefined);
    const unclaimed = holders.reduce((sum, { held }) => sum + (held[consumer.consumer] ?? 0), 0);
    if (unclaimed === 0 || consumer.state === "paused") return consumer;
    const ends = holders.flatMap(({ comesAgainBy }) => comesAgainBy ?? []).sort();
    return {
      ...consumer,
      unclaimed,
      state: "held" as const,
      comesAgainBy: ends.at(-1) ?? consumer.comesAgainBy,
    };
  }),
});
