import type { OrderctlError } from "../../core/errors.ts";

/** Headers that carry a trace context in a message or a request: values by name. */
export type TraceHeaders = Readonly<Record<string, string>>;

/** A message that is published to the log or delivered from it. */
export type TracedMessage = {
  subject: string;
  /** The subject with a placeholder for its id: `ORDERS.created.{order_id}`. */
  template: string;
  /** The service that publishes or processes the message. */
  service: string;
  /** Empty where the message is not about an order. */
  orderId: string;
  bodyBytes: number;
  /** If this message is a copy, the headers of the original: the copy's span gets a link to the original's trace. */
  linkTo?: TraceHeaders | undefined;
};

/**
 * A delivered message. Its properties may be costly to compute and are not read if the trace is known to be unsampled.
 */
export type TracedDelivery = {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly sequence: number;
  readonly attempt: number;
  header(name: string): string | undefined;
};

/** The service and consumer that process deliveries, and how to find the order id in a subject. */
export type TracedConsumer = {
  service: string;
  consumer: string;
  template: string;
  orderIdOf(subject: string): string;
};

/** The span of publishing a message. Call `stored` or `failed` once; send `headers` with the message. */
export type PublishSpan = {
  readonly headers: Record<string, string>;
  stored(stored: { sequence: number; duplicate: boolean }): void;
  failed(error: OrderctlError): void;
};

/**
 * The span of one call to another system. Call `end` once, with the error if the call failed; send `headers` with the
 * call.
 */
export type CallSpan = { readonly headers: TraceHeaders; end(error?: OrderctlError): void };

/** The span of processing one delivery. `settled` ends it; `failed` may be called before. */
export type ProcessSpan = {
  readonly traceId: string;
  readonly spanId: string;
  publish(message: TracedMessage): PublishSpan;
  call(name: string, attempt: number): CallSpan;
  /** Starts a span for the wait for an open circuit breaker; returns a function that ends it. */
  hold(breaker: string): () => void;
  failed(error: OrderctlError): void;
  settled(how: "ack" | "nak" | "term"): void;
};

export type TracedRequest = {
  method: string;
  /** The path with placeholders for its ids: `/orders/:id`. */
  route: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
};

/** The span of answering an HTTP request; `headers` go out with the messages that the request causes. */
export type RequestSpan = { readonly headers: TraceHeaders; end(status: number, orderId?: string): void };

/**
 * The spans of the pipeline, for code that does not know OpenTelemetry. No method throws or waits, and waiting spans
 * take up no more memory than the bounded queue.
 */
export type Tracing = {
  /** Starts a root span if `parent` carries no trace context; the sampler then decides whether it is recorded. */
  publish(message: TracedMessage, parent?: TraceHeaders): PublishSpan;
  /**
   * Undefined if the delivery carries a trace context and its trace is not sampled. `receivedAtUs` is when the delivery
   * arrived, Unix µs by the clock of this process.
   */
  process(consumer: TracedConsumer, delivery: TracedDelivery, receivedAtUs: number): ProcessSpan | undefined;
  request(request: TracedRequest): RequestSpan;
};
