import { OrderctlError } from "../../errors.ts";
import type { OrderDesk } from "./order-desk.ts";

/**
 * The same desk for callers that do not wait for ever: rejects with `unavailable` at once where it is not ready, and
 * with `timeout` after `patienceMs`. An order that was being placed may still be stored later.
 */
export function patientDesk(desk: OrderDesk, patienceMs: number): OrderDesk {
  const ask = <T>(work: () => Promise<T>): Promise<T> =>
    desk.isReady()
      ? within(patienceMs, work())
      : Promise.reject(new OrderctlError("unavailable", "the order log is away"));
  return {
    isReady: desk.isReady,
    place: (order, trace) => ask(() => desk.place(order, trace)),
    read: (orderId) => ask(() => desk.read(orderId)),
  };
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new OrderctlError("timeout", `no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
