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

export type SettingFlags = Partial<Record<(typeof sources)[SettingName]["flag"] | "context", string>>;

/** A setting that somebody gave, and who: `--user`, `NATS_USER`, `context prod`. */
export type Found = { value: string; from: string };

export type Settings = {
  /** What nobody gave is absent. */
  found: Partial<Record<SettingName, Found>>;
  /** The addresses in `found.server`, or the default's, without credentials. */
  servers: string[];
  context: NatsContext;
};

export const defaultServer = "nats://127.0.0.1:4222";

export const flagOf = (name: SettingName): string =>
  `--${sources[name].flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/**
 * Flags win over credentials in the server's address, these over the environment, the environment over the nats CLI's
 * context. An empty variable is none.
 */
export function findSettings(flags: SettingFlags, env: NodeJS.ProcessEnv): Settings {
  const { name: contextName, context } = chooseContext(flags, env);
  const find = (name: SettingName, address: Partial<ServerUrls> = {}): Found | undefined => {
    const { flag, variable, key } = sources[name];
    const inAddress = name === "user" || name === "password" || name === "token" ? address[name] : undefined;
    const candidates: [string | undefined, string][] = [
      [flags[flag], flagOf(name)],
      [inAddress, "the server's address"],
      [env[variable] || undefined, variable],
      [context[key], `context ${contextName}`],
    ];
    const [value, from] = candidates.find(([each]) => each !== undefined) ?? [];
    return value === undefined || from === undefined ? undefined : { value, from };
  };
  const server = find("server");
  const { servers, ...address } = parseServerUrls(server?.value ?? defaultServer);
  const found = Object.fromEntries(settingNames.map((name) => [name, find(name, address)]));
  return { found, servers, context };
}

export const settingNames = Object.keys(sources) as SettingName[];

/** The selected context counts only where nobody named a server; a named context always does. */
function chooseContext(
  { context, server }: SettingFlags,
  env: NodeJS.ProcessEnv,
): { name: string | undefined; context: NatsContext } {
  const named = context ?? (env.NATS_CONTEXT || undefined);
  const isElsewhere = (server ?? (env.NATS_URL || undefined)) !== undefined;
  const name = named ?? (isElsewhere ? undefined : selectedContext(env));
  return { name, context: name === undefined ? {} : readContext(env, name) };
}
