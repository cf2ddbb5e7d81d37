import type { IncomingHttpHeaders } from "node:http";
import { OrderctlError } from "../../core/errors.ts";
import { within } from "../../core/waiting.ts";
import type { KeyState } from "../../flow/key-state.ts";
import type { OrderCreated, OrderEvent } from "../events.ts";

/** The headers of a W3C trace context, to be stored with the order; empty where the caller sent none. */
export type TraceContext = Readonly<Record<string, string>>;

/**
 * Where an order is stored. `duplicate`: an order with this id was stored before and stays as it is; `existing` is that
 * order, undefined if nobody can read it any more.
 */
export type Placed = { sequence: number; duplicate: boolean; existing?: OrderCreated | undefined };

/**
 * The order log as the order API needs it. `place` resolves once the order is stored, and stores no second order under
 * an id, as far as stream and archive are known. During an outage of the broker it holds the order for `patienceMs`, by
 * default forever; then it rejects and never tries the order again, and `isUncertain` of the error tells whether the
 * order may be stored. Both methods reject with an `OrderctlError`: `conflict` if the message stored under the id is not
 * an order, `unavailable` with source `store` if the archive may know the order and cannot be read.
 */
export type OrderStore = {
  place(order: OrderCreated, trace: TraceContext, patienceMs?: number): Promise<Placed>;
  /** `undefined` for an unknown order. */
  read(orderId: string): Promise<KeyState<OrderEvent> | undefined>;
  /** False while no order can be placed or read. */
  isReady(): boolean;
};

/**
 * Called for each request. Its result, if any, has the headers of the trace that the request is part of, and is told
 * how the request ended.
 */
export type WatchRequest = (request: {
  method: string;
  route: string;
  headers: IncomingHttpHeaders;
}) => { readonly headers: TraceContext; end(status: number, orderId?: string): void } | undefined;

/**
 * Limits how long callers wait for `store`. `place` holds an order for `patienceMs` while the log cannot be reached.
 * `read` holds nothing: it rejects with `unavailable` at once if the store is not ready, and with `timeout` after
 * `patienceMs`.
 */
export const patientStore = (store: OrderStore, patienceMs: number): OrderStore => ({
  isReady: store.isReady,
  place: (order, trace) => store.place(order, trace, patienceMs),
  read: async (orderId) => {
    if (!store.isReady()) throw new OrderctlError("unavailable", "the order log is away");
    return within(store.read(orderId), patienceMs, `no answer within ${patienceMs} ms`);
  },
});
