import { setTimeout as wait } from "node:timers/promises";

/** Resolves as soon as `condition` holds, looking every 10 ms; rejects when it does not within `deadlineMs`. */
export async function until(condition: () => boolean | Promise<boolean>, deadlineMs = 10_000): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${condition}`);
    await wait(10);
  }
}
