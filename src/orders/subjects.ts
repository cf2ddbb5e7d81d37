import { OrderctlError } from "../core/errors.ts";
import type { EventKind } from "./events.ts";
import { isOrderId, orderShape } from "./flow.ts";

export { isOrderId } from "./flow.ts";

export const ordersStream = orderShape.stream;

/** Returns `id`, or throws `bad_message` naming what is wrong with it. */
export function checkOrderId(id: string): string {
  if (isOrderId(id)) return id;
  const shown = id.length > 64 ? `${id.slice(0, 64)}…` : id;
  throw new OrderctlError("bad_message", `${JSON.stringify(shown)} is not an order id`, {
    hint: "an order id is 1 to 64 letters, digits, '-' or '_'",
  });
}

/** The subject an event is stored under. */
export const subjectOf = (kind: EventKind, orderId: string): string => orderShape.subjectOf(kind, orderId);

/** Kind and order id named by a subject of the log, or undefined if it is none. Per message: < 0.5 µs. */
export function parseSubject(subject: string): { kind: EventKind; orderId: string } | undefined {
  const place = orderShape.parseSubject(subject);
  return place && { kind: place.kind as EventKind, orderId: place.key };
}
