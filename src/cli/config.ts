import { hostname } from "node:os";
import { OrderctlError } from "../core/errors.ts";
import type { ConnectionConfig } from "../jetstream/client/connection-config.ts";
import { connectionTimes } from "./connection-flags.ts";
import {
  type Background,
  findSettings,
  type SettingFlags,
  type Settings,
  type TimeFlags,
} from "./settings.ts";

/** The connection flags as commander has parsed them; times in ms. */
export type ConnectionFlags = SettingFlags & TimeFlags & { giveUp?: number };

export type Config = {
  connection: ConnectionConfig;
  /** Where the connection's settings came from. */
  settings: Settings;
  /**
   * False if no flag, variable or context names a server: the address is then that of the background broker, or the
   * default.
   */
  serverGiven: boolean;
  /** Names this process in events and on the broker: host and process id. */
  instance: string;
};

/** The address of a broker that orderctl runs itself, and the path of the nkey file to log in with. */
export type OwnServer = { url: string; nkey: string | undefined };

/**
 * The settings for a broker that orderctl runs itself: of the flags only the time limits apply, as credentials are for
 * other brokers.
 */
export const ownBrokerConfig = (flags: TimeFlags, { url, nkey }: OwnServer): Config =>
  resolveConfig({ ...timeFlagsIn(flags), server: url, ...(nkey === undefined ? {} : { nkey }) }, {});

const defaultGiveUpMs = 300_000;

/** The settings in force: those that `findSettings` finds, completed with defaults. */
export function resolveConfig(
  flags: ConnectionFlags,
  env: NodeJS.ProcessEnv,
  background?: Background,
): Config {
  const settings = findSettings(flags, env, background);
  const { found, servers, serverGiven, tlsFirst, withheld } = settings;
  const instance = `${hostname()}-${process.pid}`;
  const files = {
    certFile: found.certFile?.value,
    keyFile: found.keyFile?.value,
    caFile: found.caFile?.value,
  };
  return {
    settings,
    serverGiven,
    instance,
    connection: {
      servers,
      name: `orderctl ${instance}`,
      user: found.user?.value,
      password: found.password?.value,
      token: found.token?.value,
      credsFile: found.credsFile?.value,
      nkeyFile: found.nkeyFile?.value,
      userJwt: found.userJwt?.value,
      userSeed: found.userSeed?.value,
      withheld,
      tls: tlsOf({ ...files, handshakeFirst: tlsFirst?.value }, servers),
      inboxPrefix: checkedPrefix(found.inboxPrefix?.value, "inbox prefix", "_INBOX_payment"),
      apiPrefix: apiPrefixOf(settings),
      patienceMs: 0,
      giveUpMs: flags.giveUp ?? defaultGiveUpMs,
      ...timesIn(flags),
    },
  };
}

const timeFlagsIn = (flags: TimeFlags): TimeFlags =>
  Object.fromEntries(
    connectionTimes.map(({ flag }) => [flag, flags[flag]]).filter(([, value]) => value !== undefined),
  );

const timesIn = (flags: TimeFlags) =>
  Object.fromEntries(
    connectionTimes.map(({ flag, setting, defaultMs }) => [setting, flags[flag] ?? defaultMs]),
  ) as Record<(typeof connectionTimes)[number]["setting"], number>;

type TlsSettings = NonNullable<ConnectionConfig["tls"]>;

/**
 * The TLS settings, also set if an address begins with `tls://`: without them, the nats client would send the password
 * to such a server even if it does not offer TLS.
 */
function tlsOf(
  settings: { [K in keyof TlsSettings]: TlsSettings[K] | undefined },
  servers: readonly string[],
): TlsSettings | undefined {
  const given = Object.entries(settings).filter(([, value]) => value !== undefined && value !== false);
  const isAsked = given.length > 0 || servers.some((server) => server.startsWith("tls://"));
  return isAsked ? Object.fromEntries(given) : undefined;
}

/**
 * Throws `usage` for a prefix that is no subject or has wildcards: the nats client would refuse it without naming the
 * setting.
 */
function checkedPrefix(prefix: string | undefined, what: string, example: string): string | undefined {
  if (prefix === undefined || /^[^\s.*>]+(\.[^\s.*>]+)*$/.test(prefix)) return prefix;
  throw new OrderctlError("usage", `${JSON.stringify(prefix)} is no ${what}`, {
    hint: `it is the beginning of a subject, such as ${example}`,
  });
}

/**
 * The subject prefix of the JetStream API: a JetStream domain has its own, and an account may have imported the API
 * under another one.
 */
function apiPrefixOf({ found: { jsDomain, jsApiPrefix } }: Settings): string | undefined {
  if (jsDomain === undefined)
    return checkedPrefix(jsApiPrefix?.value.replace(/\.$/, ""), "JetStream API prefix", "$JS.hub.API");
  if (/^[^\s.*>]+$/.test(jsDomain.value)) return `$JS.${jsDomain.value}.API`;
  throw new OrderctlError("usage", `${JSON.stringify(jsDomain.value)} is no JetStream domain`, {
    hint: "it is one word, as in the server's configuration: jetstream { domain: hub }",
  });
}
