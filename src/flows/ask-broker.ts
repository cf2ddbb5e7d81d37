import type { Config } from "../cli/config.ts";
import { type Connection, openConnection } from "../jetstream/client/connection.ts";

/** What is asked beside a command's own work does not keep it waiting for longer. */
const mostMs = 3000;

/** Asks the broker of these settings on a connection of its own. Rejects as `openConnection` does, after 3 s at most. */
export async function askBroker<T>(
  { connection: settings }: Config,
  signal: AbortSignal | undefined,
  ask: (connection: Connection) => Promise<T>,
): Promise<T> {
  const timeoutMs = Math.min(settings.timeoutMs, mostMs);
  const times = { timeoutMs, connectTimeoutMs: timeoutMs, patienceMs: 0, giveUpMs: timeoutMs };
  const connection = await openConnection({ ...settings, ...times }, undefined, signal);
  try {
    return await ask(connection);
  } finally {
    await connection.close();
  }
}
