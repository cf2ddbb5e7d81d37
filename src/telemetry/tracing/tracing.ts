import type { OrderctlError } from "../../core/errors.ts";

/** Header names with their values, as a message or a request carries a trace context. */
export type TraceHeaders = Readonly<Record<string, string>>;

/** A message on its way into the log, or out of it. */
export type TracedMessage = {
  subject: string;
  /** The subject with its id left open: `ORDERS.created.{order_id}`. */
  template: string;
  /** The service that does the work. */
  service: string;
  /** Empty where the message is not about an order. */
  orderId: string;
  bodyBytes: number;
  /** The headers of the message that this is a copy of: another trace, to which the copy's is linked. */
  linkTo?: TraceHeaders | undefined;
};

/** A message as it came; its properties may be costly and are read only where there is a span. */
export type TracedDelivery = {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly sequence: number;
  readonly attempt: number;
  header(name: string): string | undefined;
};

/** Where deliveries are worked on, and how to tell from a subject which order it is about. */
export type TracedConsumer = {
  service: string;
  consumer: string;
  template: string;
  orderIdOf(subject: string): string;
};

/** Storing a message; told once how it ended. `headers` go out with the message. */
export type PublishSpan = {
  readonly headers: Record<string, string>;
  stored(stored: { sequence: number; duplicate: boolean }): void;
  failed(error: OrderctlError): void;
};

/** One call of another system; ends once, well or with an error. `headers` go out with the call. */
export type CallSpan = { readonly headers: TraceHeaders; end(error?: OrderctlError): void };

/** Work on one delivery. Ends with `settled`; `failed` may come before. */
export type ProcessSpan = {
  readonly traceId: string;
  readonly spanId: string;
  publish(message: TracedMessage): PublishSpan;
  call(name: string, attempt: number): CallSpan;
  /** A wait for a circuit breaker that is open; answers what ends it. */
  hold(breaker: string): () => void;
  failed(error: OrderctlError): void;
  settled(how: "ack" | "nak" | "term"): void;
};

export type TracedRequest = {
  method: string;
  /** The path with its ids left open: `/orders/:id`. */
  route: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
};

/** Answering a request; `headers` are handed on to what it causes. */
export type RequestSpan = { readonly headers: TraceHeaders; end(status: number, orderId?: string): void };

/**
 * The spans of the pipeline, for code that knows no OpenTelemetry. Nothing here throws, waits or keeps more than its
 * bounded queue in memory.
 */
export type Tracing = {
  /** A root where `parent` carries no trace; the sampler decides then. */
  publish(message: TracedMessage, parent?: TraceHeaders): PublishSpan;
  /**
   * Undefined where the sender decided against this trace, and where the sampler does. `receivedAtUs` is when the
   * delivery arrived, Unix µs by the clock of this process.
   */
  process(consumer: TracedConsumer, delivery: TracedDelivery, receivedAtUs: number): ProcessSpan | undefined;
  request(request: TracedRequest): RequestSpan;
};
