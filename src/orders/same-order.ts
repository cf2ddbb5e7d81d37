import type { OrderCreated } from "./events.ts";
import { subjectOf } from "./subjects.ts";
import { decodeEvent, encodeEvent } from "./wire/codec.ts";

/** Whether two are one order sent twice; when they were created does not matter. */
export const isSameOrder = (one: OrderCreated, other: OrderCreated): boolean =>
  Buffer.compare(withoutTime(one), withoutTime(other)) === 0;

/** The bytes that are the same for two that are one order. */
export const withoutTime = (order: OrderCreated): Uint8Array => encodeEvent({ ...order, createdAtUs: null });

/** The order that is stored under an id. Throws `bad_message` as `decodeEvent` does. */
export function readCreated(orderId: string, payload: Uint8Array): OrderCreated | undefined {
  const event = decodeEvent(subjectOf("created", orderId), payload);
  return event.kind === "created" ? event : undefined;
}
