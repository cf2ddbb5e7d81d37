import type { OrderctlError } from "../core/errors.ts";
import type { NoteFields } from "../core/note.ts";
import type { Delivery } from "../jetstream/consume/delivery.ts";
import type { Stored } from "../jetstream/publish/publication.ts";
import { nowUs } from "../telemetry/clock.ts";
import type { ConsumerMetrics, DestinationMetrics, Metrics } from "../telemetry/metrics/metrics.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type {
  ProcessSpan,
  PublishSpan,
  TracedConsumer,
  TracedMessage,
} from "../telemetry/tracing/tracing.ts";
import type { Flow, FlowCounters, FlowEvent } from "./flow.ts";
import type { WatchedCall } from "./handler.ts";

/** `aheadUs` is what this machine's clock is ahead of the broker's by, µs. */
type Reporting = {
  telemetry: Watched;
  counters?: FlowCounters | undefined;
  aheadUs?: (() => number) | undefined;
};

type Watched = Pick<Telemetry, "tracing" | "metrics">;

/** A consumer whose deliveries are reported. */
export type ReportedConsumer = { service: string; consumer: string; on: string };

/** Where the deliveries of one consumer are reported; created once per consumer. */
type Reporter = ReportedConsumer &
  TracedConsumer & {
    metrics: Metrics | undefined;
    received: ConsumerMetrics | undefined;
    /** How far this machine's clock is ahead of the broker's, µs. */
    aheadUs: () => number;
    sent: Record<string, DestinationMetrics>;
    templates: Readonly<Record<string, string>>;
    callee: string | undefined;
    counters: FlowCounters | undefined;
    keyOf(subject: string): string;
    keyOfEvent(event: FlowEvent): string;
  };

export type StartReport = (delivery: Delivery, receivedAtUs: number) => DeliveryReport | undefined;

/**
 * Reports a consumer's deliveries as spans and metrics. A delivery without a sampled trace gets a report only if
 * metrics are on. `telemetry.tracing` may be set later, so each delivery reads it anew.
 */
export function createReports(
  flow: Flow,
  consumer: ReportedConsumer,
  { telemetry, counters, aheadUs = () => 0 }: Reporting,
): StartReport {
  const { metrics } = telemetry;
  const { service } = consumer;
  const templates = Object.fromEntries(flow.kinds.map((kind) => [kind, flow.templateOf(kind)]));
  const template = templates[consumer.on] ?? "";
  const keyOf = (subject: string) => flow.parseSubject(subject)?.key ?? "";
  const { callee } = flow;
  const named = { ...consumer, template, templates, callee, orderIdOf: keyOf, keyOf, keyOfEvent: flow.keyOf };
  const reporter: Reporter = { ...named, metrics, counters, received: undefined, aheadUs, sent: {} };
  if (metrics) {
    reporter.received = metrics.consumer({ ...consumer, template });
    for (const kind of flow.kinds)
      reporter.sent[kind] = metrics.destination({ service, template: templates[kind] ?? "" });
  }
  return (delivery, receivedAtUs) => {
    reporter.received?.received(Math.max(0, receivedAtUs - aheadUs() - delivery.storedAtUs) / 1000);
    const span = telemetry.tracing?.process(reporter, delivery, receivedAtUs);
    return span || metrics ? new DeliveryReport(reporter, delivery.subject, span) : undefined;
  };
}

/** Reports one delivery; its methods are called as the events happen. Hot path with metrics on: ~10 µs in total. */
export class DeliveryReport {
  readonly #reporter: Reporter;
  readonly #subject: string;
  readonly #span: ProcessSpan | undefined;
  readonly #startedAt = performance.now();
  #outcome:
    | { event: FlowEvent; orderAtUs: number | undefined; sentAt: number; span: PublishSpan | undefined }
    | undefined;
  #errorType: string | undefined;

  constructor(reporter: Reporter, subject: string, span: ProcessSpan | undefined) {
    this.#reporter = reporter;
    this.#subject = subject;
    this.#span = span;
  }

  /**
   * Returns the headers that pass on the trace; undefined when the delivery's own trace headers should be passed on.
   */
  storing(
    event: FlowEvent,
    message: { subject: string; bodyBytes: number; orderAtUs: number | undefined },
  ): Record<string, string> | undefined {
    const traced: TracedMessage = {
      ...message,
      template: this.#reporter.templates[event.kind] ?? "",
      service: this.#reporter.service,
      orderId: this.#reporter.keyOfEvent(event),
    };
    const span = this.#span?.publish(traced);
    this.#outcome = { event, orderAtUs: message.orderAtUs, sentAt: performance.now(), span };
    return span?.headers;
  }

  /** Reports one call to another system. */
  call(operation: string, attempt: number): WatchedCall {
    const startedAt = performance.now();
    const { callee } = this.#reporter;
    const span = this.#span?.call([callee, operation].filter(Boolean).join(" "), attempt);
    return {
      headers: span?.headers,
      end: (error) => {
        span?.end(error);
        const durationMs = performance.now() - startedAt;
        this.#reporter.counters?.called(operation, durationMs, error?.code);
      },
    };
  }

  /** Returns the function to call when the breaker lets the delivery continue. */
  hold(breaker: string): (() => void) | undefined {
    return this.#span?.hold(breaker);
  }

  stored({ sequence, duplicate }: Stored, storedEvent: FlowEvent): void {
    if (!this.#outcome) return;
    const { event, sentAt, span, orderAtUs } = this.#outcome;
    span?.stored({ sequence, duplicate });
    this.#reporter.sent[event.kind]?.stored(performance.now() - sentAt, duplicate);
    this.#outcome = undefined;
    if (!duplicate) this.#count(storedEvent, orderAtUs);
  }

  #count(event: FlowEvent, orderAtUs: number | undefined): void {
    const { counters, aheadUs } = this.#reporter;
    if (!counters) return;
    const sinceMs = orderAtUs === undefined ? undefined : Math.max(0, nowUs() - aheadUs() - orderAtUs) / 1000;
    counters.stored(event, sinceMs);
  }

  failed(error: OrderctlError): void {
    this.#errorType = error.code;
    if (this.#outcome) {
      const { event, sentAt, span } = this.#outcome;
      span?.failed(error);
      this.#reporter.sent[event.kind]?.failed(performance.now() - sentAt, error.code);
      this.#outcome = undefined;
    }
    this.#span?.failed(error);
  }

  settled(how: "ack" | "nak" | "term"): void {
    this.#reporter.received?.processed(performance.now() - this.#startedAt, this.#errorType);
    this.#reporter.received?.settled(how);
    this.#span?.settled(how);
  }

  labels(): NoteFields {
    const span = this.#span;
    const orderId = this.#reporter.keyOf(this.#subject);
    return {
      ...(orderId ? { orderId } : {}),
      ...(span ? { traceId: span.traceId, spanId: span.spanId } : {}),
    };
  }
}
