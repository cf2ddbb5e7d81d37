import { hostname } from "node:os";
import { OrderctlError } from "./errors.ts";
import type { ConnectionConfig } from "./jetstream/connection-config.ts";
import { findSettings, type SettingFlags } from "./settings.ts";

/** The connection flags as commander parses them; times in ms. */
export type ConnectionFlags = SettingFlags & {
  tlsFirst?: boolean;
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

/** The settings in force: those that `findSettings` finds, and the defaults. */
export function resolveConfig(flags: ConnectionFlags, env: NodeJS.ProcessEnv): Config {
  const { found, servers, context } = findSettings(flags, env);
  const instance = `${hostname()}-${process.pid}`;
  const files = {
    certFile: found.certFile?.value,
    keyFile: found.keyFile?.value,
    caFile: found.caFile?.value,
  };
  const handshakeFirst = flags.tlsFirst ?? context.tls_first;
  return {
    serverGiven: found.server !== undefined,
    instance,
    connection: {
      servers,
      name: `orderctl ${instance}`,
      user: found.user?.value,
      password: found.password?.value,
      token: found.token?.value,
      credsFile: found.credsFile?.value,
      nkeyFile: found.nkeyFile?.value,
      tls: tlsOf({ ...files, handshakeFirst }, servers),
      inboxPrefix: checkedPrefix(found.inboxPrefix?.value),
      connectTimeoutMs: flags.connectTimeout ?? 30_000,
      reconnectWaitMs: flags.reconnectWait ?? 1000,
      patienceMs: 0,
      timeoutMs: flags.timeout ?? 5000,
    },
  };
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
