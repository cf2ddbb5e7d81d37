import type { ProcessStatus } from "../flow/process-status.ts";
import type { ConsumerLag, StreamLag } from "../jetstream/streams/lag.ts";

/** A process that answered earlier and no longer does. Times are by the broker's clock. */
export type GoneProcess = Pick<ProcessStatus, "instance" | "services" | "startedAt"> & {
  lastSeenAt: string;
  goneMs: number;
  /**
   * Deliveries that the process must still hold, estimated from its last answer and from what the others have in hand.
   */
  holds: number;
  /** `holds` by consumer. */
  held: Record<string, number>;
  /** By when the broker redelivers them; `null` when it holds none. */
  comesAgainBy: string | null;
};

/** Tolerates one late answer. */
const leastMisses = 2;
const keptMs = 300_000;

type Missing = {
  status: ProcessStatus;
  lastSeenMs: number;
  missedAtMs: number;
  misses: number;
  /** By consumer: the smallest number of deliveries that fits every sample since the process was missed. */
  held: Map<string, number>;
};

type Seen = { status: ProcessStatus; seenMs: number };

/**
 * Remembers processes that stopped answering between samples. What such a process holds is the smallest number that
 * fits: at most what it last had in hand, at most what is unacknowledged and in no other process's hands, and nothing
 * once the ack wait is over. A process that stopped in an orderly way handed everything back and holds nothing.
 */
export class GoneProcesses {
  readonly #seen = new Map<string, Seen>();
  readonly #missing = new Map<string, Missing>();

  /** Takes a sample of the lag and of the processes, and returns the processes that are gone, the last one first. */
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
    // If the process was the consumer's only one, it holds every unacknowledged delivery, even those it received after
    // its last answer.
    const wasAlone = others.length === 0 && missing.length === 1;
    held.set(consumer, wasAlone ? most : Math.min(before, most));
  }
}

/** A process restarted under the same instance name is a different one. */
const keyOf = ({ instance, startedAt }: ProcessStatus): string => `${instance} ${startedAt}`;

const workersOf = (processes: readonly ProcessStatus[], consumer: string): ProcessStatus["workers"] =>
  processes.flatMap(({ workers }) => workers.filter((worker) => worker.consumer === consumer));

function describe(
  { status, lastSeenMs, missedAtMs, held }: Missing,
  lag: StreamLag,
  nowMs: number,
): GoneProcess {
  const { instance, services, startedAt } = status;
  // Until it was missed, the process may have extended the ack wait.
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

/** Marks a consumer as `held` when a gone process holds deliveries of it, even if its other messages flow. */
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
