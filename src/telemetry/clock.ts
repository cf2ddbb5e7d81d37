/**
 * A larger difference means that the wall clock was set or the machine slept; a smaller one comes from the clocks'
 * resolution.
 */
const noticeableMs = 5;
const compareEveryMs = 1000;

/** The wall-clock time at which the monotonic clock was 0. */
let anchorMs = performance.timeOrigin;
let compareAtMs = 0;

/**
 * The current Unix time in whole µs: the monotonic clock of the process, corrected once a second if it differs from the
 * wall clock. Between two corrections it never goes back.
 */
export function nowUs(): number {
  const monotonicMs = performance.now();
  if (monotonicMs > compareAtMs) {
    compareAtMs = monotonicMs + compareEveryMs;
    const apartMs = Date.now() - (anchorMs + monotonicMs);
    if (Math.abs(apartMs) > noticeableMs) anchorMs += apartMs;
  }
  return Math.round((anchorMs + monotonicMs) * 1000);
}
