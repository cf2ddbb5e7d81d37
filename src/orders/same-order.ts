import type { OrderCreated, OrderEvent } from "./events.ts";
import { encodeEvent } from "./wire/codec.ts";

/** Whether two are one event sent twice; when an order was created does not matter. */
export const isSameEvent = (one: OrderEvent, other: OrderEvent): boolean =>
  Buffer.compare(bytesOf(one), bytesOf(other)) === 0;

const bytesOf = (event: OrderEvent): Uint8Array =>
  event.kind === "created" ? withoutTime(event) : encodeEvent(event);

/** The bytes that are the same for two that are one order. */
export const withoutTime = (order: OrderCreated): Uint8Array => encodeEvent({ ...order, createdAtUs: null });
