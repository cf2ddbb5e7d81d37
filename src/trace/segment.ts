/**
 * What a stretch of time was spent on: `waited` in a queue, `held` by an open circuit breaker, `worked`, `refused`
 * (work that ended in a business refusal), `called` another system, `failed` attempts, `storing` until the broker had
 * stored the outcome, `unknown` without information.
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

/** A stretch of time in whole ns since the trace's zero point. */
export type Segment = { as: SegmentKind; fromNs: number; toNs: number };

/** The parts of consecutive segments between two times; a stretch without a segment is `unknown`. */
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
 * Replaces stretches of the kinds in `over` by the `pieces` that overlap them. Where pieces overlap each other, the
 * earlier one wins.
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

/** `waiting` holds the pieces in descending order of their start; pieces that end within the segment are popped. */
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

/** Merges touching neighbours of the same kind. */
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

/** How a wait for a circuit breaker is shown: `waiting for PaymentService (breaker)`. */
export const describeHold = (breaker: string | null): string =>
  `waiting for ${breaker ?? "a service"} (breaker)`;
