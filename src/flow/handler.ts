import { OrderctlError } from "../core/errors.ts";
import type { FlowEvent } from "./flow.ts";

/** Told once how a call of another system ended; `headers` carry its trace context to that, where the call is traced. */
export type WatchedCall = {
  readonly headers?: Readonly<Record<string, string>> | undefined;
  end(error?: OrderctlError): void;
};

/** Told when a call begins, `attempt` counting from 1 within one operation. */
export type WatchCall = (operation: string, attempt: number) => WatchedCall;

/** Told when a call has to wait for a circuit breaker that is open; answers what to call when the wait is over. */
export type WatchHold = (breaker: string) => () => void;

export type HandlerContext<E extends FlowEvent = FlowEvent> = {
  /** Stream sequence of the event: the same for every delivery of it. */
  sequence: number;
  /** 1 for the first delivery. */
  attempt: number;
  /** Aborts when the worker has to stop before the handler ended. */
  signal: AbortSignal;
  /** Tells that a call of another system begins. A method: call it on the context. */
  watchCall(operation: string, attempt: number): WatchedCall;
  /** Tells that a call has to wait for an open breaker; answers what to call when it is over. A method: call it on the context. */
  watchHold(breaker: string): () => void;
  /** Registers what is to be told which event the log holds in the end, before the delivery is acknowledged. A method: call it on the context. */
  onStored(callback: (stored: E) => void): void;
};

export const nothing = undefined;

/**
 * A service: from an event to its outcome, the event to store, or `nothing`. It may be called again with the same event, at any time
 * and in any process, and then has to come to an outcome of the same meaning. A refusal (declined, out of stock) is an
 * outcome; throwing means *again later*.
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

/** A flow's own handlers as a worker calls them: with what the flow decodes, which are its own events. */
export const asHandlers = <E extends FlowEvent>(
  handlers: Readonly<Record<string, Handler<E>>>,
): Readonly<Record<string, Handler>> => handlers as unknown as Readonly<Record<string, Handler>>;
