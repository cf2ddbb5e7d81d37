/**
 * What time went into: `waited` for somebody's turn, `held` by a circuit breaker that was open, `worked`, `refused` (work that ended in a no), `called` another
 * system, `failed` in vain, `storing` until the broker had it, `unknown` where nobody tells.
 */
export const segmentKinds = [
  "waited",
  "held",
  "worked",
  "refused",
  "called",
  "failed",
  "storing",
  "unknown",
] as const;

export type SegmentKind = (typeof segmentKinds)[number];

/** A segment of time in whole ns from the trace's zero. */
export type Segment = { as: SegmentKind; fromNs: number; toNs: number };

/** The parts of consecutive segments between two moments; what none of them covers is `unknown`. */
export function cutSegments(segments: readonly Segment[], fromNs: number, toNs: number): Segment[] {
  const parts: Segment[] = [];
  let at = fromNs;
  for (const { as, ...edges } of segments) {
    const from = Math.max(at, edges.fromNs);
    const to = Math.min(toNs, edges.toNs);
    if (from >= to) continue;
    if (from > at) parts.push({ as: "unknown", fromNs: at, toNs: from });
    parts.push({ as, fromNs: from, toNs: to });
    at = to;
  }
  if (at < toNs) parts.push({ as: "unknown", fromNs: at, toNs });
  return parts;
}

/**
 * Consecutive segments with `pieces` in the place of those of a kind in `over`, where they meet. Of pieces that meet each
 * other, the earlier counts.
 */
export function overlay(
  segments: readonly Segment[],
  pieces: readonly Segment[],
  over: readonly SegmentKind[],
): Segment[] {
  const waiting = pieces.toSorted((a, b) => b.fromNs - a.fromNs);
  return mergeSegments(
    segments.flatMap((segment) => (over.includes(segment.as) ? layOn(segment, waiting) : [segment])),
  );
}

/** `waiting` are the pieces by their start, the first to come last; those that are over by then are taken from it. */
function layOn(segment: Segment, waiting: Segment[]): Segment[] {
  const parts: Segment[] = [];
  let at = segment.fromNs;
  for (let piece = waiting.at(-1); piece && piece.fromNs < segment.toNs; piece = waiting.at(-1)) {
    const fromNs = Math.max(at, piece.fromNs);
    const toNs = Math.min(segment.toNs, piece.toNs);
    if (fromNs < toNs) {
      parts.push({ ...segment, fromNs: at, toNs: fromNs }, { ...piece, fromNs, toNs });
      at = toNs;
    }
    if (piece.toNs > segment.toNs) break;
    waiting.pop();
  }
  parts.push({ ...segment, fromNs: at });
  return parts.filter((part) => part.fromNs < part.toNs);
}

/** Neighbours of one kind as one. */
export function mergeSegments(segments: readonly Segment[]): Segment[] {
  const merged: Segment[] = [];
  for (const segment of segments) {
    const last = merged.at(-1);
    if (last && last.as === segment.as && segment.fromNs <= last.toNs)
      last.toNs = Math.max(last.toNs, segment.toNs);
    else merged.push({ ...segment });
  }
  return merged;
}

/** What a wait for a circuit breaker is called: `waiting for PaymentService (breaker)`. */
export const describeHold = (breaker: string | null): string =>
  `waiting for ${breaker ?? "a service"} (breaker)`;
