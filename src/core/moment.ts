/** A moment by both clocks: one stands still while the machine sleeps, and the other may be set. */
export type Moment = { monotonicMs: number; wallMs: number };

export const momentNow = (): Moment => ({ monotonicMs: performance.now(), wallMs: Date.now() });

/** How long ago that was at most; infinite when the wall clock was set to before it. */
export function msSince({ monotonicMs, wallMs }: Moment): number {
  const passedMs = Date.now() - wallMs;
  return passedMs < 0 ? Number.POSITIVE_INFINITY : Math.max(performance.now() - monotonicMs, passedMs);
}
