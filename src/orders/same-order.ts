import type { OrderCreated, OrderEvent } from "./events.ts";
import { encodeEvent } from "./wire/codec.ts";

/** True if both are one event that was sent twice; the time at which an order was created does not count. */
export const isSameEvent = (one: OrderEvent, other: OrderEvent): boolean =>
  Buffer.compare(bytesOf(one), bytesOf(other)) === 0;

const bytesOf = (event: OrderEvent): Uint8Array =>
  event.kind === "created" ? withoutTime(event) : encodeEvent(event);

/** The encoded order without its creation time: equal for two messages that are the same order. */
export const withoutTime = (order: OrderCreated): Uint8Array => encodeEvent({ ...order, createdAtUs: null });
