import { OrderctlError } from "../errors.ts";
import { decodeEvent, encodeEvent } from "./codec.ts";
import type { OrderCreated } from "./events.ts";
import { subjectOf } from "./subjects.ts";

/** Whether two are one order sent twice; when they were created does not matter. */
export const isSameOrder = (one: OrderCreated, other: OrderCreated): boolean =>
  Buffer.compare(withoutTime(one), withoutTime(other)) === 0;

/** The bytes that are the same for two that are one order. */
export const withoutTime = (order: OrderCreated): Uint8Array => encodeEvent({ ...order, createdAtUs: null });

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
