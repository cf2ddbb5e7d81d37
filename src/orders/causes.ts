import type { EventKind } from "./events.ts";

/** What each kind of event follows from, the nearest first. */
export const causesOf: Readonly<Record<EventKind, readonly EventKind[]>> = {
  created: [],
  payments: ["created"],
  reservations: ["payments"],
  shipments: ["reservations"],
  refunds: ["reservations"],
  notifications: ["refunds", "shipments", "payments"],
};

/** An event's kind and its place in the log. */
export type PlacedKind = { kind: EventKind; sequence: number };

/**
 * The event of the same order that another one claims to follow from and that was stored after it, which shows that it was made up:
 * nobody stored it because of that. Undefined where a cause was stored before it, or none is in the log: its cause may have been
 * removed.
 */
export function findLaterCause<E extends PlacedKind>(
  { kind, sequence }: PlacedKind,
  events: readonly E[],
): E | undefined {
  const causes = events.filter((event) => causesOf[kind].includes(event.kind));
  if (causes.some((cause) => cause.sequence < sequence)) return undefined;
  if (causes[0]) return causes[0];
  for (const before of causesOf[kind]) {
    const later = findLaterCause({ kind: before, sequence }, events);
    if (later) return later;
  }
  return undefined;
}
