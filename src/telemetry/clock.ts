/** Beyond this the wall clock was set, or the machine slept; below it, readings differ by their own grain. */
const noticeableMs = 5;
const compareEveryMs = 1000;

/** The wall clock when the monotonic one was at 0. */
let anchorMs = performance.timeOrigin;
let compareAtMs = 0;

/**
 * Now, as Unix time in whole µs: the monotonic clock of the process, compared with the wall clock once a second and set
 * after it where they differ. Between two such corrections it never goes back.
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
