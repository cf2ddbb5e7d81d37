import type { Span } from "./span.ts";
import { isFailed, processOf } from "./span-facts.ts";
import type { SpanNode } from "./span-tree.ts";

/** What a clock read at a moment, in ns from any common zero. */
export type Reading = { clock: string; atNs: number };

/** Two moments of which one cannot come before the other, whatever their clocks say. */
export type ClockBound = { earlier: Reading; later: Reading };

/** How far a clock has to be moved; `contradictory` where no single shift would do, and it is left as it is. */
export type ClockShift = { shiftNs: number; contradictory: boolean };

/**
 * The smallest shifts that make clocks agree with what causes what, counted from `reference`, which is right. A clock
 * that has nothing to do with it, not even through others, has no entry.
 */
export function settleClocks(bounds: readonly ClockBound[], reference: string): Map<string, ClockShift> {
  const boundsOf = groupByClock(bounds);
  const shifts = new Map<string, ClockShift>([[reference, { shiftNs: 0, contradictory: false }]]);
  // What is added on the way is visited as well: from the reference outwards.
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

/** Start and end of a span by its own clock, in ns from `zeroNs`; never an end before the start. */
export function readingsOf(span: Span, zeroNs: bigint): { start: Reading; end: Reading } {
  const clock = processOf(span);
  const startNs = Number(span.startNs - zeroNs);
  return {
    start: { clock, atNs: startNs },
    end: { clock, atNs: Math.max(startNs, Number(span.endNs - zeroNs)) },
  };
}

/** A child does not start before its parent; what answers a call has ended when the call ends well. */
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
