import type { GenerateTask } from "./task.ts";

const tickMs = 2;

/**
 * Calls `send` for `count` orders and resolves once each was reported stored. With a `rate`, it sends every 2 ms the
 * orders that are due, however many are in flight; with a rate of 0, it keeps `window` orders in flight.
 */
export function feed(
  { count, rate, window }: GenerateTask,
  createSend: (settle: { stored: () => void; failed: (cause: unknown) => void }) => (index: number) => void,
): Promise<void> {
  let next = 0;
  let done = 0;
  return new Promise((resolve, failed) => {
    const fill = () => {
      while (next < count && next - done < window) send(next++);
    };
    const stored = () => {
      done += 1;
      if (done === count) resolve();
      else if (rate === 0) fill();
    };
    const send = createSend({ stored, failed });
    if (rate === 0) return fill();
    const startedAt = performance.now();
    const timer = setInterval(() => {
      const due = Math.min(count, Math.floor(((performance.now() - startedAt) / 1000) * rate));
      while (next < due) send(next++);
      if (next >= count) clearInterval(timer);
    }, tickMs);
  });
}
