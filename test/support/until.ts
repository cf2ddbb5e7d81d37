import { setTimeout as wait } from "node:timers/promises";

/**
 * Resolves as soon as `condition` holds, looking every 10 ms; rejects when it does not within `deadlineMs`, which is long
 * enough for a machine on which other tests are busy.
 */
export async function until(condition: () => boolean | Promise<boolean>, deadlineMs = 30_000): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${condition}`);
    await wait(10);
  }
}
