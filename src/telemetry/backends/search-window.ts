/** Tempo refuses to search more than this, unless told otherwise. */
const windowMs = 7 * 24 * 3_600_000;
/** Spans are timed by whoever sent them: a clock may be so far ahead of ours. */
const aheadMs = 3_600_000;

/** Where an order is looked for when only its id is known; Unix ms. */
export function searchWindow(): { startMs: number; endMs: number } {
  const endMs = Date.now() + aheadMs;
  return { startMs: endMs - windowMs, endMs };
}

/** How many traces are read where several carry the order's id, as when it was published more than once. */
export const maxTraces = 10;
