import type { Span } from "./span.ts";
import { isFailed, processOf } from "./span-facts.ts";
import type { SpanNode } from "./span-tree.ts";

/** The time that a clock showed at one moment, in ns from a zero that all readings share. */
export type Reading = { clock: string; atNs: number };

/** Two moments of which `earlier` cannot have come after `later`, whatever their clocks say. */
export type ClockBound = { earlier: Reading; later: Reading };

/**
 * How many ns to add to a clock's readings. `contradictory`: no single shift satisfies all bounds, and `shiftNs` is 0.
 */
export type ClockShift = { shiftNs: number; contradictory: boolean };

/**
 * The smallest shifts that make the clocks agree with the bounds; the clock `reference` is taken as right. A clock that
 * no chain of bounds connects to `reference` has no entry.
 */
export function settleClocks(bounds: readonly ClockBound[], reference: string): Map<string, ClockShift> {
  const boundsOf = groupByClock(bounds);
  const shifts = new Map<string, ClockShift>([[reference, { shiftNs: 0, contradictory: false }]]);
  // Iterating a Map also visits keys that are added on the way, so this goes outwards from the reference.
  for (const clock of shifts.keys()) {
    const others = (boundsOf.get(clock) ?? []).map(({ earlier, later }) =>
      earlier.clock === clock ? later.clock : earlier.clock,
    );
    for (const other of others) {
      if (!shifts.has(other)) shifts.set(other, shiftWithin(other, boundsOf.get(other) ?? [], shifts));
    }
  }
  return shifts;
}

function groupByClock(bounds: readonly ClockBound[]): Map<string, ClockBound[]> {
  const groups = new Map<string, ClockBound[]>();
  for (const bound of bounds) {
    for (const { clock } of [bound.earlier, bound.later]) {
      const group = groups.get(clock) ?? [];
      groups.set(clock, group);
      group.push(bound);
    }
  }
  return groups;
}

function shiftWithin(
  clock: string,
  bounds: readonly ClockBound[],
  shifts: ReadonlyMap<string, ClockShift>,
): ClockShift {
  let least = Number.NEGATIVE_INFINITY;
  let most = Number.POSITIVE_INFINITY;
  for (const { earlier, later } of bounds) {
    const shiftOf = (reading: Reading) => shifts.get(reading.clock)?.shiftNs;
    const [before, after] = [shiftOf(earlier), shiftOf(later)];
    if (later.clock === clock && before !== undefined)
      least = Math.max(least, earlier.atNs + before - later.atNs);
    if (earlier.clock === clock && after !== undefined)
      most = Math.min(most, later.atNs + after - earlier.atNs);
  }
  if (least > most) return { shiftNs: 0, contradictory: true };
  // `+ 0` turns -0 into 0.
  return { shiftNs: Math.min(Math.max(0, least), most) + 0, contradictory: false };
}

/** Start and end of a span by its own clock, in ns from `zeroNs`; the end is never before the start. */
export function readingsOf(span: Span, zeroNs: bigint): { start: Reading; end: Reading } {
  const clock = processOf(span);
  const startNs = Number(span.startNs - zeroNs);
  return {
    start: { clock, atNs: startNs },
    end: { clock, atNs: Math.max(startNs, Number(span.endNs - zeroNs)) },
  };
}

/**
 * Bounds between spans of different processes: a child does not start before its parent, and a server span ends before
 * its client span if that does not fail and is at least as long.
 */
export function spanBounds(nodes: readonly SpanNode[], zeroNs: bigint): ClockBound[] {
  return nodes.flatMap(({ span, parent }) => {
    if (!parent || processOf(span) === processOf(parent.span)) return [];
    const child = readingsOf(span, zeroNs);
    const above = readingsOf(parent.span, zeroNs);
    const starts = { earlier: above.start, later: child.start };
    const fits = child.end.atNs - child.start.atNs <= above.end.atNs - above.start.atNs;
    const isAnswer = parent.span.kind === "CLIENT" && span.kind === "SERVER" && !isFailed(parent.span);
    return isAnswer && fits ? [starts, { earlier: child.end, later: above.end }] : [starts];
  });
}
