import { type NatsContext, readContext, selectedContext } from "./nats-context.ts";
import { parseServerUrls, type ServerUrls } from "./server-urls.ts";

/** Where a setting may come from: the flag, the environment variable, the key in a context file. */
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
} as const satisfies Record<string, { flag: string; variable: string; key: keyof NatsContext }>;

export type SettingName = keyof typeof sources;

export type SettingFlags = Partial<Record<(typeof sources)[SettingName]["flag"] | "context", string>> & {
  tlsFirst?: boolean;
};

/** A setting that somebody gave, and who: `--user`, `NATS_USER`, `context prod`. */
export type Found<T = string> = { value: T; from: string };

export type Settings = {
  /** What nobody gave is absent. */
  found: Partial<Record<SettingName, Found>>;
  /** The addresses in `found.server`, or the default's, without credentials. */
  servers: string[];
  tlsFirst: Found<boolean> | undefined;
  context: Found | undefined;
};

/** How long things may take on the way to the broker. */
export const connectionTimes = [
  { flag: "timeout", key: "timeout", setting: "timeoutMs", defaultMs: 5000 },
  { flag: "connect-timeout", key: "connectTimeout", setting: "connectTimeoutMs", defaultMs: 30_000 },
  { flag: "reconnect-wait", key: "reconnectWait", setting: "reconnectWaitMs", defaultMs: 1000 },
] as const;

export type TimeFlags = Partial<Record<(typeof connectionTimes)[number]["key"], number>>;

export const defaultServer = "nats://127.0.0.1:4222";

export const flagOf = (name: SettingName): string =>
  `--${sources[name].flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/**
 * Flags win over credentials in the server's address, these over the environment, the environment over the nats CLI's
 * context. An empty variable is none.
 */
export function findSettings(flags: SettingFlags, env: NodeJS.ProcessEnv): Settings {
  const context = chooseContext(flags, env);
  const keys: NatsContext = context ? readContext(env, context.value) : {};
  const find = (name: SettingName, address: Partial<ServerUrls> = {}): Found | undefined => {
    const { flag, variable, key } = sources[name];
    const inAddress = name === "user" || name === "password" || name === "token" ? address[name] : undefined;
    const candidates: [string | undefined, string][] = [
      [flags[flag], flagOf(name)],
      [inAddress, "the server's address"],
      [env[variable] || undefined, variable],
      [keys[key], `context ${context?.value}`],
    ];
    const [value, from] = candidates.find(([each]) => each !== undefined) ?? [];
    return value === undefined || from === undefined ? undefined : { value, from };
  };
  const server = find("server");
  const { servers, ...address } = parseServerUrls(server?.value ?? defaultServer);
  const found = Object.fromEntries(settingNames.map((name) => [name, find(name, address)]));
  return { found, servers, context, tlsFirst: findTlsFirst(flags, keys, context) };
}

export const settingNames = Object.keys(sources) as SettingName[];

function findTlsFirst(
  { tlsFirst }: SettingFlags,
  { tls_first }: NatsContext,
  context: Found | undefined,
): Found<boolean> | undefined {
  if (tlsFirst !== undefined) return { value: tlsFirst, from: "--tls-first" };
  return tls_first === undefined ? undefined : { value: tls_first, from: `context ${context?.value}` };
}

/** The selected context counts only where nobody named a server; a named context always does. */
function chooseContext({ context, server }: SettingFlags, env: NodeJS.ProcessEnv): Found | undefined {
  if (context !== undefined) return { value: context, from: "--context" };
  if (env.NATS_CONTEXT) return { value: env.NATS_CONTEXT, from: "NATS_CONTEXT" };
  const isElsewhere = (server ?? (env.NATS_URL || undefined)) !== undefined;
  const selected = isElsewhere ? undefined : selectedContext(env);
  return selected === undefined ? undefined : { value: selected, from: "the nats CLI's selection" };
}
