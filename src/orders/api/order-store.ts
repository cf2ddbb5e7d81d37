import type { IncomingHttpHeaders } from "node:http";
import { OrderctlError } from "../../core/errors.ts";
import { within } from "../../core/waiting.ts";
import type { KeyState } from "../../flow/key-state.ts";
import type { OrderCreated, OrderEvent } from "../events.ts";

/** The headers of a W3C trace context, to be stored with the order; empty where the caller sent none. */
export type TraceContext = Readonly<Record<string, string>>;

/**
 * Where an order is kept. `duplicate` says that an order with this id was stored before, which stays; `existing` is
 * that order.
 */
export type Placed = { sequence: number; duplicate: boolean; existing?: OrderCreated | undefined };

/**
 * The order log as the order API needs it. `place` resolves once the order is stored; through an outage it is held for
 * `patienceMs`, for ever by default, and never tried again after that: it rejects, and `isUncertain` tells whether
 * the order may be stored. It never stores a second order under an id. Both reject with an `OrderctlError`, with `conflict` where what is stored
 * under the id is no order.
 */
export type OrderStore = {
  place(order: OrderCreated, trace: TraceContext, patienceMs?: number): Promise<Placed>;
  /** `undefined` for an order that is not known. */
  read(orderId: string): Promise<KeyState<OrderEvent> | undefined>;
  /** False while nothing can be placed or read. */
  isReady(): boolean;
};

/**
 * Told of each request; what it answers, if it does, says which trace the request is part of and is told how it ended.
 */
export type WatchRequest = (request: {
  method: string;
  route: string;
  headers: IncomingHttpHeaders;
}) => { readonly headers: TraceContext; end(status: number, orderId?: string): void } | undefined;

/**
 * The same store for callers that do not wait for ever. An order is held while the log is away, for `patienceMs`. A question
 * is not: it rejects with `unavailable` at once where the store is not ready, and with `timeout` after `patienceMs`.
 */
export const patientStore = (store: OrderStore, patienceMs: number): OrderStore => ({
  isReady: store.isReady,
  place: (order, trace) => store.place(order, trace, patienceMs),
  read: async (orderId) => {
    if (!store.isReady()) throw new OrderctlError("unavailable", "the order log is away");
    return within(store.read(orderId), patienceMs, `no answer within ${patienceMs} ms`);
  },
});
