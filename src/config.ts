import { hostname } from "node:os";
import { OrderctlError } from "./errors.ts";
import type { ConnectionConfig } from "./jetstream/connection-config.ts";
import { type NatsContext, readContext } from "./nats-context.ts";
import { parseServerUrls } from "./server-urls.ts";

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
  tlsFirst?: boolean;
  inboxPrefix?: string;
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

type TextIn<T> = { [K in keyof T]-?: T[K] extends string | undefined ? K : never }[keyof T];

type Source = { flag: TextIn<ConnectionFlags>; variable: string; key: TextIn<NatsContext> };

/** Where a setting comes from: the flag, the environment variable, the key in a context file. */
const sources = {
  server: { flag: "server", variable: "NATS_URL", key: "url" },
  user: { flag: "user", variable: "NATS_USER", key: "user" },
  password: { flag: "password", variable: "NATS_PASSWORD", key: "password" },
  token: { flag: "token", variable: "NATS_TOKEN", key: "token" },
  credsFile: { flag: "creds", variable: "NATS_CREDS", key: "creds" },
  nkeyFile: { flag: "nkey", variable: "NATS_NKEY", key: "nkey" },
  certFile: { flag: "tlscert", variable: "NATS_CERT", key: "cert" },
  keyFile: { flag: "tlskey", variable: "NATS_KEY", key: "key" },
  caFile: { flag: "tlsca", variable: "NATS_CA", key: "ca" },
  inboxPrefix: { flag: "inboxPrefix", variable: "NATS_INBOX_PREFIX", key: "inbox_prefix" },
} as const satisfies Record<string, Source>;

/**
 * Flags win over credentials in the server's address, these over the environment, the environment over the nats CLI's
 * context, the context over defaults. An empty variable is none.
 */
export function resolveConfig(flags: ConnectionFlags, env: NodeJS.ProcessEnv): Config {
  const context = contextOf(flags, env);
  const given = (setting: keyof typeof sources): string | undefined => {
    const { flag, variable, key } = sources[setting];
    return flags[flag] ?? (env[variable] || undefined) ?? context[key];
  };
  const server = given("server");
  const { servers, ...address } = parseServerUrls(server ?? defaultServer);
  const instance = `${hostname()}-${process.pid}`;
  const files = { certFile: given("certFile"), keyFile: given("keyFile"), caFile: given("caFile") };
  const handshakeFirst = flags.tlsFirst ?? context.tls_first;
  return {
    serverGiven: server !== undefined,
    instance,
    connection: {
      servers,
      name: `orderctl ${instance}`,
      user: flags.user ?? address.user ?? given("user"),
      password: flags.password ?? address.password ?? given("password"),
      token: flags.token ?? address.token ?? given("token"),
      credsFile: given("credsFile"),
      nkeyFile: given("nkeyFile"),
      tls: tlsOf({ ...files, handshakeFirst }, servers),
      inboxPrefix: checkedPrefix(given("inboxPrefix")),
      connectTimeoutMs: flags.connectTimeout ?? 30_000,
      reconnectWaitMs: flags.reconnectWait ?? 1000,
      patienceMs: 0,
      timeoutMs: flags.timeout ?? 5000,
    },
  };
}

/** The selected context counts only where nobody named a server; a named context always does. */
function contextOf({ context, server }: ConnectionFlags, env: NodeJS.ProcessEnv): NatsContext {
  const name = context ?? (env.NATS_CONTEXT || undefined);
  if (name === undefined && (server ?? (env.NATS_URL || undefined)) !== undefined) return {};
  return readContext(env, name) ?? {};
}

type TlsSettings = NonNullable<ConnectionConfig["tls"]>;

/** The client itself would send the password to a tls:// server that has no TLS. */
function tlsOf(
  settings: { [K in keyof TlsSettings]: TlsSettings[K] | undefined },
  servers: readonly string[],
): TlsSettings | undefined {
  const given = Object.entries(settings).filter(([, value]) => value !== undefined && value !== false);
  const isAsked = given.length > 0 || servers.some((server) => server.startsWith("tls://"));
  return isAsked ? Object.fromEntries(given) : undefined;
}

/** A subject, whose wildcards the client would refuse without naming it. */
function checkedPrefix(prefix: string | undefined): string | undefined {
  if (prefix === undefined || /^[^\s.*>]+(\.[^\s.*>]+)*$/.test(prefix)) return prefix;
  throw new OrderctlError("usage", `${JSON.stringify(prefix)} is no inbox prefix`, {
    hint: "it is the beginning of a subject, such as _INBOX_payment",
  });
}
