import { OrderctlError } from "../../core/errors.ts";
import { within } from "../../core/within.ts";
import type { OrderStore } from "./order-store.ts";

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
