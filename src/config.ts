import { hostname } from "node:os";
import { OrderctlError } from "./errors.ts";
import type { ConnectionConfig } from "./jetstream/connection-config.ts";
import { connectionTimes, findSettings, type SettingFlags, type TimeFlags } from "./settings.ts";

/** The connection flags as commander parses them; times in ms. */
export type ConnectionFlags = SettingFlags & TimeFlags;

export type Config = {
  connection: ConnectionConfig;
  /** False where the broker's address is only the default: nobody said where it is. */
  serverGiven: boolean;
  /** Names this process in events and on the broker: host and process id. */
  instance: string;
};

/** The settings in force: those that `findSettings` finds, and the defaults. */
export function resolveConfig(flags: ConnectionFlags, env: NodeJS.ProcessEnv): Config {
  const { found, servers, tlsFirst } = findSettings(flags, env);
  const instance = `${hostname()}-${process.pid}`;
  const files = {
    certFile: found.certFile?.value,
    keyFile: found.keyFile?.value,
    caFile: found.caFile?.value,
  };
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
      tls: tlsOf({ ...files, handshakeFirst: tlsFirst?.value }, servers),
      inboxPrefix: checkedPrefix(found.inboxPrefix?.value),
      patienceMs: 0,
      ...timesIn(flags),
    },
  };
}

const timesIn = (flags: TimeFlags) =>
  Object.fromEntries(
    connectionTimes.map(({ key, setting, defaultMs }) => [setting, flags[key] ?? defaultMs]),
  ) as Record<(typeof connectionTimes)[number]["setting"], number>;

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
