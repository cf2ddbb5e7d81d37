import type { Attributes } from "@opentelemetry/api";
import { attribute as name } from "../tracing/span-names.ts";
import type { MetricLedger, Observation } from "./metric-ledger.ts";
import { createSparseRead } from "./metric-sparse-read.ts";
import { type MetricSpec, metricSpecs } from "./metric-specs.ts";
import type { ConsumerState, Metrics, StreamState } from "./metrics.ts";

type Observers = Pick<Metrics, "observeWorkers" | "observeConsumers" | "observeStreams" | "observeBreaker">;

const specs = metricSpecs;

/** The broker is asked no more often than this, and an export waits no longer for its answer. */
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
    observeBreaker(breaker, read) {
      const attributes = { breaker };
      ledger.observe(() => [observed(specs.breakerState, breakerStates[read()], attributes)]);
    },
  };
}

function consumerObservations({ stream, consumer, ...state }: ConsumerState): Observation[] {
  const attributes = { stream, [name.consumerGroup]: consumer };
  const hasBacklog = state.pending + state.ackPending > 0;
  // Absent where it is not known: 0 would say that nothing waits.
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

const observed = (spec: MetricSpec, value: number, attributes: Attributes = {}): Observation => ({
  spec,
  value,
  attributes,
});
