/**
 * What time went into: `waited` for somebody's turn, `held` by a circuit breaker that was open, `worked`, `refused` (work that ended in a no), `called` another
 * system, `failed` in vain, `storing` until the broker had it, `unknown` where nobody tells.
 */
export const stretchKinds = [
  "waited",
  "held",
  "worked",
  "refused",
  "called",
  "failed",
  "storing",
  "unknown",
] as const;

export type StretchKind = (typeof stretchKinds)[number];

/** A stretch of time in whole ns from the trace's zero. */
export type Stretch = { as: StretchKind; fromNs: number; toNs: number };

/** The parts of consecutive stretches between two moments; what none of them covers is `unknown`. */
export function cutStretches(stretches: readonly Stretch[], fromNs: number, toNs: number): Stretch[] {
  const parts: Stretch[] = [];
  let at = fromNs;
  for (const { as, ...edges } of stretches) {
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
 * Consecutive stretches with `pieces` in the place of those of a kind in `over`, where they meet. Of pieces that meet each
 * other, the earlier counts.
 */
export function overlay(
  stretches: readonly Stretch[],
  pieces: readonly Stretch[],
  over: readonly StretchKind[],
): Stretch[] {
  const waiting = pieces.toSorted((a, b) => b.fromNs - a.fromNs);
  return mergeStretches(
    stretches.flatMap((stretch) => (over.includes(stretch.as) ? layOn(stretch, waiting) : [stretch])),
  );
}

/** `waiting` are the pieces by their start, the first to come last; those that are over by then are taken from it. */
function layOn(stretch: Stretch, waiting: Stretch[]): Stretch[] {
  const parts: Stretch[] = [];
  let at = stretch.fromNs;
  for (let piece = waiting.at(-1); piece && piece.fromNs < stretch.toNs; piece = waiting.at(-1)) {
    const fromNs = Math.max(at, piece.fromNs);
    const toNs = Math.min(stretch.toNs, piece.toNs);
    if (fromNs < toNs) {
      parts.push({ ...stretch, fromNs: at, toNs: fromNs }, { ...piece, fromNs, toNs });
      at = toNs;
    }
    if (piece.toNs > stretch.toNs) break;
    waiting.pop();
  }
  parts.push({ ...stretch, fromNs: at });
  return parts.filter((part) => part.fromNs < part.toNs);
}

/** Neighbours of one kind as one. */
export function mergeStretches(stretches: readonly Stretch[]): Stretch[] {
  const merged: Stretch[] = [];
  for (const stretch of stretches) {
    const last = merged.at(-1);
    if (last && last.as === stretch.as && stretch.fromNs <= last.toNs)
      last.toNs = Math.max(last.toNs, stretch.toNs);
    else merged.push({ ...stretch });
  }
  return merged;
}
