import type { Attributes } from "@opentelemetry/api";
import { within } from "../../core/waiting.ts";
import { attribute as name } from "../tracing/span-names.ts";
import type { MetricLedger, Observation } from "./metric-ledger.ts";
import { type MetricSpec, metricSpecs } from "./metric-specs.ts";
import type { ArchiveFigures, ConsumerState, Metrics, StreamState } from "./metrics.ts";

type Observers = Pick<
  Metrics,
  "observeWorkers" | "observeConsumers" | "observeStreams" | "observeArchive" | "observeBreaker"
>;

const specs = metricSpecs;

/** The broker is asked at most once per `everyMs`, and an export waits at most `patienceMs` for the answer. */
const sparsely = { everyMs: 5000, patienceMs: 1000 };

const breakerStates = { closed: 0, "half-open": 1, open: 2 } as const;

export function observeWith(ledger: MetricLedger): Observers {
  return {
    observeWorkers(read) {
      ledger.observe(() =>
        Object.entries(read()).map(([consumer, { inFlight }]) =>
          observed(specs.workerInFlight, inFlight, { [name.consumerGroup]: consumer }),
        ),
      );
    },
    observeConsumers(read) {
      const sparseRead = createSparseRead(read, sparsely);
      ledger.observe(async () => (await sparseRead()).flatMap(consumerObservations));
    },
    observeStreams(read) {
      const sparseRead = createSparseRead(read, sparsely);
      ledger.observe(async () => {
        const { streams, deadLetters } = await sparseRead();
        return [...streams.flatMap(streamObservations), observed(specs.deadLetters, deadLetters)];
      });
    },
    observeArchive(stream, read) {
      ledger.observe(() => archiveObservations(stream, read()));
    },
    observeBreaker(breaker, read) {
      const attributes = { breaker };
      ledger.observe(() => [observed(specs.breakerState, breakerStates[read()], attributes)]);
    },
  };
}

function consumerObservations({ stream, consumer, ...state }: ConsumerState): Observation[] {
  const attributes = { stream, [name.consumerGroup]: consumer };
  const hasBacklog = state.pending + state.ackPending > 0;
  // Left out if unknown: 0 would mean that nothing waits.
  const oldestAgeMs = state.oldestAgeMs ?? (hasBacklog ? undefined : 0);
  return [
    observed(specs.consumerPending, state.pending, attributes),
    observed(specs.consumerAckPending, state.ackPending, attributes),
    observed(specs.consumerRedelivered, state.redelivered, attributes),
    ...(oldestAgeMs === undefined ? [] : [observed(specs.consumerOldestAge, oldestAgeMs / 1000, attributes)]),
  ];
}

function streamObservations({ stream, messages, bytes }: StreamState): Observation[] {
  const attributes = { stream };
  return [
    observed(specs.streamMessages, messages, attributes),
    observed(specs.streamBytes, bytes, attributes),
  ];
}

function archiveObservations(stream: string, { state, problems }: ArchiveFigures): Observation[] {
  const attributes = { stream };
  const ofProblems = observed(specs.archiveProblems, problems, attributes);
  if (!state) return [ofProblems];
  const { movedToUs, heldBack } = state;
  const holder = { ...attributes, [name.consumerGroup]: heldBack?.consumer ?? "" };
  return [
    observed(specs.archiveMovedTo, state.movedTo, attributes),
    ...(movedToUs === null ? [] : [observed(specs.archiveMovedToTime, movedToUs / 1e6, attributes)]),
    observed(specs.archiveSegments, state.segments, attributes),
    observed(specs.archiveBytes, state.bytes, attributes),
    observed(specs.archiveBehind, state.behind, attributes),
    observed(specs.archiveLag, state.lagMs / 1000, attributes),
    ...(heldBack ? [observed(specs.archiveHeldBack, heldBack.forMs / 1000, holder)] : []),
    ofProblems,
  ];
}

const observed = (spec: MetricSpec, value: number, attributes: Attributes = {}): Observation => ({
  spec,
  value,
  attributes,
});

export type Sparseness = {
  /** Minimum time between two reads. */
  everyMs: number;
  /** Maximum time that a caller waits. */
  patienceMs: number;
};

/**
 * After a read, the next one waits at least 19 times as long as that read took, so reading takes at most a twentieth of
 * the time.
 */
const restShare = 19;

/**
 * Shares one read among all callers within `everyMs`, and never starts a second one while one is under way. After a
 * slow read the pause is longer, so that the broker is not kept busy with answers. Rejects as the read does, and with
 * `timeout` if a caller would have to wait longer than `patienceMs`.
 */
export function createSparseRead<T>(
  read: () => Promise<T>,
  { everyMs, patienceMs }: Sparseness,
): () => Promise<T> {
  let latest: Promise<T> | undefined;
  let nextAt = 0;

  const start = async (): Promise<T> => {
    const startedAt = performance.now();
    nextAt = Number.POSITIVE_INFINITY;
    // After a failed read the next caller may try again at once: the broker may be back.
    let restMs = 0;
    try {
      const answer = await read();
      restMs = Math.max(everyMs, (performance.now() - startedAt) * restShare);
      return answer;
    } finally {
      nextAt = performance.now() + restMs;
    }
  };

  return () => {
    if (!latest || performance.now() >= nextAt) latest = start();
    return within(latest, patienceMs, `no answer within ${patienceMs} ms`);
  };
}
