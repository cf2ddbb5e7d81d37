import { OrderctlError } from "../errors.ts";
import { decodeEvent, encodeEvent } from "./codec.ts";
import type { OrderCreated } from "./events.ts";
import { subjectOf } from "./subjects.ts";

/** Whether an order is the one that is stored under its id, as `payload`; when they were created does not matter. */
export function isStoredAs(order: OrderCreated, payload: Uint8Array): boolean {
  const stored = readCreated(order.orderId, payload);
  return stored !== undefined && Buffer.compare(withoutTime(stored), withoutTime(order)) === 0;
}

const withoutTime = (order: OrderCreated): Uint8Array => encodeEvent({ ...order, createdAtUs: null });

/** Undefined for what cannot be read: whatever it is, it is not the order at hand. */
export function readCreated(orderId: string, payload: Uint8Array): OrderCreated | undefined {
  try {
    const event = decodeEvent(subjectOf("created", orderId), payload);
    return event.kind === "created" ? event : undefined;
  } catch (thrown) {
    if (thrown instanceof OrderctlError && thrown.code === "bad_message") return undefined;
    throw thrown;
  }
}
