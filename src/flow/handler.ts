import { OrderctlError } from "../core/errors.ts";
import type { FlowEvent } from "./flow.ts";

/**
 * Call `end` once when the call has ended. `headers` carry the trace context to the other system when the call is
 * traced.
 */
export type WatchedCall = {
  readonly headers?: Readonly<Record<string, string>> | undefined;
  end(error?: OrderctlError): void;
};

/** Called when a call begins; `attempt` counts from 1 within one operation. */
export type WatchCall = (operation: string, attempt: number) => WatchedCall;

/** Called when a call has to wait for an open circuit breaker; returns the function to call when the wait is over. */
export type WatchHold = (breaker: string) => () => void;

export type HandlerContext<E extends FlowEvent = FlowEvent> = {
  /** Stream sequence of the event: the same for every delivery of it. */
  sequence: number;
  /** 1 for the first delivery. */
  attempt: number;
  /** Aborts when the worker has to stop before the handler has ended. */
  signal: AbortSignal;
  /** Reports the start of a call to another system. A method: call it on the context. */
  watchCall(operation: string, attempt: number): WatchedCall;
  /**
   * Reports that a call waits for an open breaker; returns the function to call when the wait is over. A method: call
   * it on the context.
   */
  watchHold(breaker: string): () => void;
  /**
   * Registers a callback that receives the event the log holds in the end, before the delivery is acknowledged. A
   * method: call it on the context.
   */
  onStored(callback: (stored: E) => void): void;
};

export const nothing = undefined;

/**
 * A service's work: from an event to its outcome (the event to store), or `nothing`. It may be called again with the
 * same event, at any time and in any process, and must then return an outcome of the same meaning. A refusal (declined,
 * out of stock) is an outcome; throwing means *again later*.
 */
export type Handler<E extends FlowEvent = FlowEvent> = (
  event: E,
  context: HandlerContext<E>,
) => Promise<E | undefined>;

/** The handler of a consumer; throws `internal` where nobody made one. */
export function handlerOf(handlers: Readonly<Record<string, Handler>>, consumer: string): Handler {
  const handler = handlers[consumer];
  if (handler) return handler;
  throw new OrderctlError("internal", `${consumer} has no handler`);
}

/** As `asHandlers`, for one. */
export const asHandler = <E extends FlowEvent>(handler: Handler<E>): Handler => handler as unknown as Handler;

/** A flow's own handlers as a worker calls them: with what the flow decodes, which are its own events. */
export const asHandlers = <E extends FlowEvent>(
  handlers: Readonly<Record<string, Handler<E>>>,
): Readonly<Record<string, Handler>> => handlers as unknown as Readonly<Record<string, Handler>>;
