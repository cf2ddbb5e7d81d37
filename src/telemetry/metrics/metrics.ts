import type { Attributes } from "@opentelemetry/api";
import { attribute as name } from "../tracing/span-names.ts";
import type { MetricLedger } from "./metric-ledger.ts";
import { observeWith } from "./metric-observers.ts";
import { type MetricSpec, metricSpecs } from "./metric-specs.ts";

/** Measures one consumer of one kind of event. Hot path: 0.1 µs for each method. */
export type ConsumerMetrics = {
  /** `waitMs`: time since the broker stored the message. */
  received(waitMs: number): void;
  /** `durationMs`: time since the delivery was received; `errorType`: given if the work failed. */
  processed(durationMs: number, errorType: string | undefined): void;
  settled(how: "ack" | "nak" | "term"): void;
};

/**
 * Measures the messages that one service publishes to one kind of subject; durations in ms. Hot path: 0.1 µs for each
 * method.
 */
export type DestinationMetrics = {
  stored(durationMs: number, duplicate: boolean): void;
  failed(durationMs: number, errorType: string): void;
};

type WorkerState = { processed: number; failed: number; inFlight: number; duplicates: number };

export type ConsumerState = {
  stream: string;
  consumer: string;
  pending: number;
  ackPending: number;
  redelivered: number;
  /** Age of the oldest message that is not acknowledged; `null` if there is none or its age is unknown. */
  oldestAgeMs: number | null;
};

export type StreamState = { stream: string; messages: number; bytes: number };

export type StreamsState = { streams: readonly StreamState[]; deadLetters: number };

/** What an archiver tells of itself. */
export type ArchiveFigures = {
  /** Undefined until it knows; `movedToUs` is Unix µs, `null` where nothing is archived. */
  state:
    | {
        movedTo: number;
        movedToUs: number | null;
        segments: number;
        bytes: number;
        behind: number;
        lagMs: number;
        /** The consumer that keeps messages from being archived, and the age of the oldest of them. */
        heldBack: { consumer: string; forMs: number } | undefined;
      }
    | undefined;
  problems: number;
};

export type BreakerState = "closed" | "half-open" | "open";

/**
 * What the pipeline counts and measures, for code that does not know OpenTelemetry. No method throws or waits. The
 * observers' `read` functions are called at each export; values that cannot be read are left out of it.
 */
export type Metrics = {
  /** `template` is the subject with a placeholder for the id. */
  consumer(of: { service: string; consumer: string; template: string }): ConsumerMetrics;
  destination(of: { service: string; template: string }): DestinationMetrics;
  /** The cell of a metric for these attributes: look it up once, then write to it. */
  counter(spec: MetricSpec, attributes: Attributes): { add(): void };
  duration(spec: MetricSpec, attributes: Attributes): { record(ms: number): void };
  /** `read` returns the states by consumer. */
  observeWorkers(read: () => Readonly<Record<string, WorkerState>>): void;
  /** `read` is called at most every 5 s, and less often if it is slow. */
  observeConsumers(read: () => Promise<readonly ConsumerState[]>): void;
  /** `read` is called at most every 5 s, and less often if it is slow. */
  observeStreams(read: () => Promise<StreamsState>): void;
  observeArchive(stream: string, read: () => ArchiveFigures): void;
  observeBreaker(breaker: string, read: () => BreakerState): void;
};

const specs = metricSpecs;

export function createMetrics(ledger: MetricLedger): Metrics {
  return {
    ...observeWith(ledger),
    consumer: (of) => createConsumerMetrics(ledger, of),
    destination: (of) => createDestination(ledger, of),
    counter: (spec, attributes) => ledger.counter(spec, attributes),
    duration: (spec, attributes) => ledger.duration(spec, attributes),
  };
}

type ErrorType = string | undefined;

function createConsumerMetrics(
  ledger: MetricLedger,
  { service, consumer, template }: Parameters<Metrics["consumer"]>[0],
): ConsumerMetrics {
  const labels = { [name.service]: service, [name.consumerGroup]: consumer, [name.template]: template };
  const consumed = ledger.counter(specs.consumedMessages, { ...labels, ...operation("receive", "receive") });
  const wait = ledger.duration(specs.deliveryWait, labels);
  const retries = ledger.counter(specs.retries, labels);
  const process = { ...labels, ...operation("process", "process") };
  const processed = memo((error: ErrorType) =>
    ledger.duration(specs.processDuration, { ...process, ...errorOf(error) }),
  );
  return {
    received(waitMs) {
      consumed.add();
      wait.record(waitMs);
    },
    processed: (durationMs, errorType) => processed(errorType).record(durationMs),
    settled(how) {
      if (how === "nak") retries.add();
    },
  };
}

function createDestination(
  ledger: MetricLedger,
  { service, template }: Parameters<Metrics["destination"]>[0],
): DestinationMetrics {
  const publish = { [name.service]: service, [name.template]: template, ...operation("publish", "send") };
  const sent = memo((error: ErrorType) =>
    ledger.counter(specs.sentMessages, { ...publish, ...errorOf(error) }),
  );
  const refused = memo(() => ledger.counter(specs.sentMessages, { ...publish, [name.duplicate]: true }));
  const duration = memo((error: ErrorType) =>
    ledger.duration(specs.operationDuration, { ...publish, ...errorOf(error) }),
  );
  return {
    stored(durationMs, duplicate) {
      (duplicate ? refused(undefined) : sent(undefined)).add();
      duration(undefined).record(durationMs);
    },
    failed(durationMs, errorType) {
      sent(errorType).add();
      duration(errorType).record(durationMs);
    },
  };
}

const operation = (operationName: string, type: string): Attributes => ({
  [name.system]: "nats",
  [name.operationName]: operationName,
  [name.operationType]: type,
});

const errorOf = (errorType: ErrorType): Attributes =>
  errorType === undefined ? {} : { [name.errorType]: errorType };

/**
 * Creates the value for a key when it is first asked for, so that a time series exists only from its first measurement
 * on.
 */
export function memo<Key, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, Value>();
  return (key) => {
    const held = known.get(key);
    if (held !== undefined) return held;
    const made = make(key);
    known.set(key, made);
    return made;
  };
}

const other = "other";
const shape = /^[a-z0-9_]{1,40}$/;

/**
 * Bounds the label values that come from outside: at most `limit` different names of 1 to 40 lower-case letters, digits
 * and underscores are kept; all others become `other`.
 */
export function createReasons(limit = 50): (reason: string) => string {
  const known = new Set<string>();
  return (reason) => {
    if (known.has(reason)) return reason;
    if (known.size >= limit || !shape.test(reason)) return other;
    known.add(reason);
    return reason;
  };
}
