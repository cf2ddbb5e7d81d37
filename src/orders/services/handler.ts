import type { OrderEvent } from "../events.ts";
import type { Operation, WatchedCall } from "../gateway/gateway.ts";

export type HandlerContext = {
  /** Stream sequence of the event: the same for every delivery of it. */
  sequence: number;
  /** 1 for the first delivery. */
  attempt: number;
  /** Aborts when the worker has to stop before the handler ended. */
  signal: AbortSignal;
  /** Tells that a call of the gateway begins. A method: call it on the context. */
  watchCall(operation: Operation, attempt: number): WatchedCall;
  /** Tells that a call has to wait for an open breaker; answers what to call when it is over. A method: call it on the context. */
  watchHold(breaker: string): () => void;
  /** Registers what is to be told which event the log holds in the end, before the delivery is acknowledged. A method: call it on the context. */
  onStored(callback: (stored: OrderEvent) => void): void;
};

/** The event to store, or `nothing`. */
export type Outcome = OrderEvent | undefined;

export const nothing = undefined;

/**
 * A service: from an event to its outcome. It may be called again with the same event, at any time and in any
 * process, and then has to come to an outcome of the same meaning. A refusal (declined, out of stock) is an
 * outcome; throwing means *again later*.
 */
export type Handler = (event: OrderEvent, context: HandlerContext) => Promise<Outcome>;
