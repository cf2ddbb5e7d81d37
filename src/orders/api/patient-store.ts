import { OrderctlError } from "../../core/errors.ts";
import { within } from "../../core/within.ts";
import type { OrderDesk } from "./order-store.ts";

/**
 * The same desk for callers that do not wait for ever. An order is held while the log is away, for `patienceMs`. A question
 * is not: it rejects with `unavailable` at once where the desk is not ready, and with `timeout` after `patienceMs`.
 */
export const patientDesk = (desk: OrderDesk, patienceMs: number): OrderDesk => ({
  isReady: desk.isReady,
  place: (order, trace) => desk.place(order, trace, patienceMs),
  read: async (orderId) => {
    if (!desk.isReady()) throw new OrderctlError("unavailable", "the order log is away");
    return within(desk.read(orderId), patienceMs, `no answer within ${patienceMs} ms`);
  },
});
