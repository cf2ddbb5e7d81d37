import { untilAborted } from "../core/waiting.ts";
import type { App, Online } from "./command-action.ts";

const drainMs = 15_000;

/**
 * Waits for the signal, then lets `work` finish, within 15 s. If the connection is closed for good before that, stops
 * `work` at once and rejects.
 */
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
