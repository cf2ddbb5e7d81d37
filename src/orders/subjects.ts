import type { EventKind } from "./events.ts";
import { orderShape } from "./flow.ts";

export { isOrderId } from "./flow.ts";

export const ordersStream = orderShape.stream;

/** The subject that an event is stored under. */
export const subjectOf = (kind: EventKind, orderId: string): string => orderShape.subjectOf(kind, orderId);

/** Kind and order id in a subject of the order log; undefined for any other subject. Per message: < 0.5 µs. */
export function parseSubject(subject: string): { kind: EventKind; orderId: string } | undefined {
  const place = orderShape.parseSubject(subject);
  return place && { kind: place.kind as EventKind, orderId: place.key };
}
