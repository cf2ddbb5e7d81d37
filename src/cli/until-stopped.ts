import { untilAborted } from "../core/waiting.ts";
import type { App, Online } from "./act.ts";

const drainMs = 15_000;

/** Waits for the signal, then stops `work` in good order; rejects when a connection is closed for good. */
export async function untilStopped(
  { connection, signal, terminal }: App & Partial<Pick<Online, "connection">>,
  work: { stop(deadlineMs: number): Promise<void> },
): Promise<void> {
  const failure = await untilAborted(connection?.closed ?? new Promise<never>(() => {}), signal);
  if (failure) {
    await work.stop(0);
    throw failure;
  }
  const most = `${drainMs / 1000} s at most`;
  terminal.note(`stopping: finishing what is under way, ${most}; again to stop at once`, {}, "info");
  await work.stop(drainMs);
}
