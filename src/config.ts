import { hostname } from "node:os";
import type { ConnectionConfig } from "./jetstream/connection.ts";
import { type NatsContext, readContext } from "./nats-context.ts";

export const defaultServer = "nats://127.0.0.1:4222";

/** The connection flags as commander parses them; times in ms. */
export type ConnectionFlags = {
  server?: string;
  context?: string;
  user?: string;
  password?: string;
  token?: string;
  creds?: string;
  nkey?: string;
  tlscert?: string;
  tlskey?: string;
  tlsca?: string;
  timeout?: number;
  connectTimeout?: number;
  reconnectWait?: number;
};

export type Config = {
  connection: ConnectionConfig;
  /** False where the broker's address is only the default: nobody said where it is. */
  serverGiven: boolean;
  /** Names this process in events and on the broker: host and process id. */
  instance: string;
};

/** Flags win over the environment, the environment over the nats CLI's context, the context over defaults. */
export function resolveConfig(flags: ConnectionFlags, env: NodeJS.ProcessEnv): Config {
  const context = contextOf(flags, env);
  const server = flags.server ?? env.NATS_URL ?? context.url;
  const instance = `${hostname()}-${process.pid}`;
  const tls = {
    certFile: flags.tlscert ?? env.NATS_CERT ?? context.cert,
    keyFile: flags.tlskey ?? env.NATS_KEY ?? context.key,
    caFile: flags.tlsca ?? env.NATS_CA ?? context.ca,
  };
  return {
    serverGiven: server !== undefined,
    instance,
    connection: {
      servers: (server ?? defaultServer).split(",").map((url) => url.trim()),
      name: `orderctl ${instance}`,
      user: flags.user ?? env.NATS_USER ?? context.user,
      password: flags.password ?? env.NATS_PASSWORD ?? context.password,
      token: flags.token ?? env.NATS_TOKEN ?? context.token,
      credsFile: flags.creds ?? env.NATS_CREDS ?? context.creds,
      nkeyFile: flags.nkey ?? env.NATS_NKEY ?? context.nkey,
      tls: Object.values(tls).some((file) => file !== undefined) ? definedOnly(tls) : undefined,
      inboxPrefix: context.inbox_prefix,
      connectTimeoutMs: flags.connectTimeout ?? 30_000,
      reconnectWaitMs: flags.reconnectWait ?? 1000,
      patienceMs: 0,
      timeoutMs: flags.timeout ?? 5000,
    },
  };
}

/** The selected context counts only where nobody named a server; a named context always does. */
function contextOf({ context, server }: ConnectionFlags, env: NodeJS.ProcessEnv): NatsContext {
  const name = context ?? env.NATS_CONTEXT;
  if (name === undefined && (server ?? env.NATS_URL) !== undefined) return {};
  return readContext(env, name) ?? {};
}

const definedOnly = (files: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(files).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
