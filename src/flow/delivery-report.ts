import type { OrderctlError } from "../core/errors.ts";
import type { NoteFields } from "../core/note.ts";
import type { Delivery } from "../jetstream/consume/delivery.ts";
import type { Stored } from "../jetstream/publish/publication.ts";
import { nowUs } from "../telemetry/clock.ts";
import type { DestinationMetrics, Metrics, StationMetrics } from "../telemetry/metrics/metrics.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type { ProcessSpan, PublishSpan, TracedMessage, TracedStation } from "../telemetry/tracing/tracing.ts";
import type { Flow, FlowCounters, FlowEvent, FlowShape } from "./flow.ts";
import type { WatchedCall } from "./handler.ts";

/** The subject of a kind with the key left open: what may stand on metrics and in span names. */
export const templateOf = (flow: FlowShape, kind: string): string => flow.subjectOf(kind, "{order_id}");

type Watched = Pick<Telemetry, "tracing" | "metrics">;

/** A station whose deliveries are reported. */
export type ReportedStation = { service: string; consumer: string; on: string };

/** What a station reports to; made once. */
type Desk = ReportedStation &
  TracedStation & {
    metrics: Metrics | undefined;
    received: StationMetrics | undefined;
    /** What this machine's clock is ahead of the broker's by, µs. */
    aheadUs: () => number;
    sent: Record<string, DestinationMetrics>;
    templates: Readonly<Record<string, string>>;
    counters: FlowCounters | undefined;
    keyOf(subject: string): string;
  };

export type StartReport = (delivery: Delivery, receivedAtUs: number) => DeliveryReport | undefined;

/**
 * Reports a station's deliveries as spans and metrics. A delivery without a sampled trace is reported only where there
 * are metrics. Tracing may begin later, and is looked at with each delivery.
 */
export function createReports(
  flow: Flow,
  station: ReportedStation,
  { telemetry, aheadUs = () => 0 }: { telemetry: Watched; aheadUs?: (() => number) | undefined },
): StartReport {
  const { metrics } = telemetry;
  const { service } = station;
  const templates = Object.fromEntries(flow.kinds.map((kind) => [kind, templateOf(flow, kind)]));
  const template = templates[station.on] ?? "";
  const keyOf = (subject: string) => flow.parseSubject(subject)?.key ?? "";
  const named = { ...station, template, templates, orderIdOf: keyOf, keyOf };
  const counters = metrics && flow.countersOf(metrics);
  const desk: Desk = { ...named, metrics, counters, received: undefined, aheadUs, sent: {} };
  if (metrics) {
    desk.received = metrics.station({ ...station, template });
    for (const kind of flow.kinds)
      desk.sent[kind] = metrics.destination({ service, template: templates[kind] ?? "" });
  }
  return (delivery, receivedAtUs) => {
    desk.received?.received(Math.max(0, receivedAtUs - aheadUs() - delivery.storedAtUs) / 1000);
    const span = telemetry.tracing?.process(desk, delivery, receivedAtUs);
    return span || metrics ? new DeliveryReport(desk, delivery.subject, span) : undefined;
  };
}

/** What became of one delivery; each method is called as it happens. Hot path where there are metrics: ~10 µs in all. */
export class DeliveryReport {
  readonly #desk: Desk;
  readonly #subject: string;
  readonly #span: ProcessSpan | undefined;
  readonly #startedAt = performance.now();
  #outcome:
    | { event: FlowEvent; orderAtUs: number | undefined; sentAt: number; span: PublishSpan | undefined }
    | undefined;
  #errorType: string | undefined;

  constructor(desk: Desk, subject: string, span: ProcessSpan | undefined) {
    this.#desk = desk;
    this.#subject = subject;
    this.#span = span;
  }

  /** Answers the headers that hand the trace on; undefined where the delivery's own are to be handed on. */
  storing(
    event: FlowEvent,
    message: { subject: string; bodyBytes: number; orderAtUs: number | undefined },
  ): Record<string, string> | undefined {
    const traced: TracedMessage = {
      ...message,
      template: this.#desk.templates[event.kind] ?? "",
      service: this.#desk.service,
      orderId: this.#desk.keyOf(message.subject),
    };
    const span = this.#span?.publish(traced);
    this.#outcome = { event, orderAtUs: message.orderAtUs, sentAt: performance.now(), span };
    return span?.headers;
  }

  /** One call of another system. */
  call(operation: string, attempt: number): WatchedCall {
    const startedAt = performance.now();
    const span = this.#span?.call(`gateway ${operation}`, attempt);
    return {
      headers: span?.headers,
      end: (error) => {
        span?.end(error);
        const durationMs = performance.now() - startedAt;
        this.#desk.counters?.called(operation, durationMs, error?.code);
      },
    };
  }

  /** Answers what to call when the breaker lets the delivery go on. */
  hold(breaker: string): (() => void) | undefined {
    return this.#span?.hold(breaker);
  }

  stored({ sequence, duplicate }: Stored, storedEvent: FlowEvent): void {
    if (!this.#outcome) return;
    const { event, sentAt, span, orderAtUs } = this.#outcome;
    span?.stored({ sequence, duplicate });
    this.#desk.sent[event.kind]?.stored(performance.now() - sentAt, duplicate);
    this.#outcome = undefined;
    if (!duplicate) this.#count(storedEvent, orderAtUs);
  }

  #count(event: FlowEvent, orderAtUs: number | undefined): void {
    const { counters, aheadUs } = this.#desk;
    if (!counters) return;
    const sinceMs = orderAtUs === undefined ? undefined : Math.max(0, nowUs() - aheadUs() - orderAtUs) / 1000;
    counters.stored(event, sinceMs);
  }

  failed(error: OrderctlError): void {
    this.#errorType = error.code;
    if (this.#outcome) {
      const { event, sentAt, span } = this.#outcome;
      span?.failed(error);
      this.#desk.sent[event.kind]?.failed(performance.now() - sentAt, error.code);
      this.#outcome = undefined;
    }
    this.#span?.failed(error);
  }

  settled(how: "ack" | "nak" | "term"): void {
    this.#desk.received?.processed(performance.now() - this.#startedAt, this.#errorType);
    this.#desk.received?.settled(how);
    this.#span?.settled(how);
  }

  labels(): NoteFields {
    const span = this.#span;
    const orderId = this.#desk.keyOf(this.#subject);
    return {
      ...(orderId ? { orderId } : {}),
      ...(span ? { traceId: span.traceId, spanId: span.spanId } : {}),
    };
  }
}
