import { type Connection, openConnection } from "../../src/jetstream/client/connection.ts";
import type { ConnectionConfig } from "../../src/jetstream/client/connection-config.ts";

const defaults = {
  name: "test",
  connectTimeoutMs: 2000,
  reconnectWaitMs: 50,
  patienceMs: 0,
  timeoutMs: 2000,
};

/** A connection that comes back soon after a restart of the broker. */
export const openTestConnection = (
  server: string,
  settings: Partial<ConnectionConfig> = {},
  note?: (text: string) => void,
): Promise<Connection> => openConnection({ ...defaults, servers: [server], ...settings }, note);
