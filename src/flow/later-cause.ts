import type { FlowShape } from "./flow.ts";

/** An event's kind and its place in the log. */
export type PlacedKind = { kind: string; sequence: number };

/**
 * The event of the same key that another one claims to follow from and that was stored after it, which shows that it was made up:
 * nobody stored it because of that. Undefined where a cause was stored before it, or none is in the log: its cause may have been
 * removed.
 */
export function findLaterCause<E extends PlacedKind>(
  flow: FlowShape,
  { kind, sequence }: PlacedKind,
  events: readonly E[],
): E | undefined {
  const causes = events.filter((event) => flow.causesOf(kind).includes(event.kind));
  if (causes.some((cause) => cause.sequence < sequence)) return undefined;
  if (causes[0]) return causes[0];
  for (const before of flow.causesOf(kind)) {
    const later = findLaterCause(flow, { kind: before, sequence }, events);
    if (later) return later;
  }
  return undefined;
}
