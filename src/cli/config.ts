import { hostname } from "node:os";
import { OrderctlError } from "../core/errors.ts";
import type { ConnectionConfig } from "../jetstream/client/connection-config.ts";
import {
  type Background,
  connectionTimes,
  findSettings,
  type SettingFlags,
  type Settings,
  type TimeFlags,
} from "./settings.ts";

/** The connection flags as commander parses them; times in ms. */
export type ConnectionFlags = SettingFlags & TimeFlags & { giveUp?: number };

export type Config = {
  connection: ConnectionConfig;
  /** Where the connection's settings came from. */
  settings: Settings;
  /** False where nobody said where the broker is: its address is that of the one in the background, or the default. */
  serverGiven: boolean;
  /** Names this process in events and on the broker: host and process id. */
  instance: string;
};

/** A broker of our own, and the file with what one logs in with there. */
export type OwnServer = { url: string; nkey: string | undefined };

/** The settings for a broker of our own: of the flags only times count, credentials are for others. */
export const ownBrokerConfig = (flags: TimeFlags, { url, nkey }: OwnServer): Config =>
  resolveConfig({ ...timeFlagsIn(flags), server: url, ...(nkey === undefined ? {} : { nkey }) }, {});

const defaultGiveUpMs = 300_000;

/** The settings in force: those that `findSettings` finds, and the defaults. */
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
    connectionTimes.map(({ key }) => [key, flags[key]]).filter(([, value]) => value !== undefined),
  );

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
function checkedPrefix(prefix: string | undefined, what: string, example: string): string | undefined {
  if (prefix === undefined || /^[^\s.*>]+(\.[^\s.*>]+)*$/.test(prefix)) return prefix;
  throw new OrderctlError("usage", `${JSON.stringify(prefix)} is no ${what}`, {
    hint: `it is the beginning of a subject, such as ${example}`,
  });
}

/** A domain has its API on a subject of its own; an account may have imported one under another name. */
function apiPrefixOf({ found: { jsDomain, jsApiPrefix } }: Settings): string | undefined {
  if (jsDomain === undefined)
    return checkedPrefix(jsApiPrefix?.value.replace(/\.$/, ""), "JetStream API prefix", "$JS.hub.API");
  if (/^[^\s.*>]+$/.test(jsDomain.value)) return `$JS.${jsDomain.value}.API`;
  throw new OrderctlError("usage", `${JSON.stringify(jsDomain.value)} is no JetStream domain`, {
    hint: "it is one word, as in the server's configuration: jetstream { domain: hub }",
  });
}
