/** Tempo's default limit for the time range of a search. */
const windowMs = 7 * 24 * 3_600_000;
/** Span times come from the clock of their sender, which may be this far ahead of this machine's clock. */
const aheadMs = 3_600_000;

/** The time range in which an order's traces are searched; Unix ms. */
export function searchWindow(): { startMs: number; endMs: number } {
  const endMs = Date.now() + aheadMs;
  return { startMs: endMs - windowMs, endMs };
}

/** How many traces are read if several carry the order's id, as when the order was published more than once. */
export const maxTraces = 10;
