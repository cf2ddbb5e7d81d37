import { OrderctlError } from "../core/errors.ts";
import { connectionFlags, type connectionTimes, type FlagSpec, typed } from "./connection-flags.ts";
import { type NatsContext, readContext, selectedContext } from "./nats-context.ts";
import { areAmong, parseServerUrls, portOf } from "./server-urls.ts";

const { context: _, tlsFirst: __, ...sources } = connectionFlags;

export type SettingName = keyof typeof sources;

/**
 * `logins`: the ways to log in, of which one is used. `partners`: settings (left) that count only together with another
 * one (right).
 */
const logins = ["credsFile", "nkeyFile", "userJwt", "user", "token"] as const;
const partners = { password: "user", userSeed: "userJwt", keyFile: "certFile" } as const;
const credentials: readonly SettingName[] = [...logins, "certFile", "password", "userSeed", "keyFile"];

type Flag = Extract<(typeof sources)[SettingName], { flag: string }>["flag"];

export type SettingFlags = Partial<Record<Flag | "context", string>> & { tlsFirst?: boolean };

/** The value of a setting and where it was given: `--user`, `NATS_USER`, `context prod`. */
export type Found<T = string> = { value: T; from: string };

type FoundSettings = Partial<Record<SettingName, Found>>;

export type Settings = {
  /** A setting that was not given is absent. */
  found: FoundSettings;
  /** The addresses in `found.server`, or else the default address, without credentials. */
  servers: string[];
  /** False if no flag, variable or context names a server. */
  serverGiven: boolean;
  tlsFirst: Found<boolean> | undefined;
  context: Found | undefined;
  /**
   * Environment variables whose credentials are not used, since they are for the server in NATS_URL and another one is
   * in force.
   */
  withheld: string[];
};

export type TimeFlags = Partial<Record<(typeof connectionTimes)[number]["flag"], number>>;

export const defaultServer = "nats://127.0.0.1:4222";

export const settingNames = Object.keys(sources) as SettingName[];

/** The flag of a setting as it is typed; the key in a context file, of one that has no flag. */
export const flagOf = (name: SettingName): string => {
  const { flag, key }: FlagSpec = sources[name];
  return flag ? typed(flag) : (key ?? name);
};

/** A source of settings. `from` names the place of a setting in messages. */
type Source = {
  values: Partial<Record<SettingName, string | undefined>>;
  from: (name: SettingName) => string;
};

/**
 * Finds the settings in force. Flags come first, then credentials in the server's address, the environment and the
 * context of the nats CLI; a context that `--context` names comes before the environment. An empty variable counts as
 * unset. Credentials go only where they belong: those of a context to its own servers, those of the environment to no
 * other server than that in NATS_URL. If no server is named, the `background` broker is used if it runs. Its key is
 * sent only to exactly its address: before the credentials of the environment and the context if no server was named,
 * else only if there is no other login. Throws `usage` if credentials of a context would be sent to other servers, and
 * for two ways to log in from one source.
 */
export function findSettings(flags: SettingFlags, env: NodeJS.ProcessEnv, background?: Background): Settings {
  const context = chooseContext(flags, env);
  const keys: NatsContext = context ? readContext(env, context.value) : {};
  const given = sourcesOf(flags, env, { context, keys });
  const server = firstOf("server", given.inOrder) ?? inBackground(background);
  const { servers, ...address } = parseServerUrls(server?.value ?? defaultServer);
  const inAddress: Source = { values: address, from: () => "the server's address" };
  const isForOther = env.NATS_URL ? !isAmong(servers, env.NATS_URL) : false;
  const variables = isForOther ? withoutCredentials(given.variables) : given.variables;
  const order = given.inOrder.map((source) => (source === given.variables ? variables : source));
  const others = order.filter((source) => source !== given.flags);
  const key: Source = { values: { nkeyFile: keyFor(servers, background) }, from: () => fromBackground };
  const isOurs = server?.from === fromBackground;
  const found = choose([given.flags, inAddress, ...(isOurs ? [key, ...others] : [...others, key])]);
  if (context) refuseElsewhere(context, { found, keys, servers });
  return {
    found: server ? { ...found, server } : found,
    servers,
    serverGiven: server !== undefined && !isOurs,
    context,
    tlsFirst: findTlsFirst(flags, keys, context),
    withheld: credentials
      .filter((name) => given.variables.values[name] && !variables.values[name])
      .map(variableOf),
  };
}

/**
 * The background broker of this user. Its address is used if no server is named and it runs; its key is sent only to
 * its address.
 */
export type Background = { url: string; isRunning: boolean; nkey: string | undefined };

const fromBackground = "broker in the background";

const inBackground = (background: Background | undefined): Found | undefined =>
  background?.isRunning ? { value: background.url, from: fromBackground } : undefined;

/**
 * The key, if all servers have exactly the background broker's host and port. Another name of this machine may lead to
 * another listener, which could relay the broker's login challenge.
 */
const keyFor = (servers: readonly string[], background: Background | undefined): string | undefined =>
  background && servers.every((server) => isPlace(new URL(server), new URL(background.url)))
    ? background.nkey
    : undefined;

const isPlace = (one: URL, other: URL): boolean =>
  one.hostname === other.hostname && portOf(one) === portOf(other);

type Given = { flags: Source; variables: Source; inOrder: Source[] };

function sourcesOf(
  flags: SettingFlags,
  env: NodeJS.ProcessEnv,
  { context, keys }: { context: Found | undefined; keys: NatsContext },
): Given {
  const valuesOf = (read: (spec: FlagSpec) => string | undefined) =>
    Object.fromEntries(settingNames.map((name) => [name, read(sources[name])]));
  const byFlag: Source = { values: valuesOf(({ flag }) => flag && flags[flag as Flag]), from: flagOf };
  const variables: Source = {
    values: valuesOf(({ variable }) => (variable && env[variable]) || undefined),
    from: variableOf,
  };
  const values = valuesOf(({ key }) => key && (keys[key] as string | undefined));
  const isNamed = context?.from === "--context";
  // As in the nats CLI, a context without an address means the default server.
  const inContext: Source = {
    values: context ? { ...values, server: keys.url ?? defaultServer } : values,
    from: () => `context ${context?.value}`,
  };
  const others = isNamed ? [inContext, variables] : [variables, inContext];
  return { flags: byFlag, variables, inOrder: [byFlag, ...others] };
}

const variableOf = (name: SettingName): string => (sources[name] as FlagSpec).variable ?? name;

const withoutCredentials = ({ values, from }: Source): Source => ({
  values: Object.fromEntries(
    settingNames.map((name) => [name, credentials.includes(name) ? undefined : values[name]]),
  ),
  from,
});

function firstOf(name: SettingName, order: readonly Source[]): Found | undefined {
  const source = order.find(({ values }) => values[name] !== undefined);
  return source && { value: source.values[name] ?? "", from: source.from(name) };
}

/**
 * Takes each setting from the first source that has it; of the ways to log in, only the one from the first source that
 * has any.
 */
function choose(order: readonly Source[]): FoundSettings {
  const login = chooseLogin(order);
  const found: FoundSettings = {};
  for (const name of settingNames) {
    const isOther = login !== undefined && isLogin(name) && name !== login;
    const setting = isOther
      ? undefined
      : firstOf(name, name in partners ? ownersOf(name, { order, login }) : order);
    if (setting) found[name] = setting;
  }
  return found;
}

const isLogin = (name: SettingName): boolean => logins.some((each) => each === name);

function chooseLogin(order: readonly Source[]): SettingName | undefined {
  const source = order.find(({ values }) => logins.some((name) => values[name] !== undefined));
  const [login, other] = logins.filter((name) => source?.values[name] !== undefined);
  if (!source || !login || !other) return login;
  const both = `${source.from(login)} and ${source.from(other)}`;
  const where = both.includes("context")
    ? `${source.from(login)}: ${keyOf(login)} and ${keyOf(other)}`
    : both;
  throw new OrderctlError("usage", `${where} are two ways to log in`, { hint: "leave one of them away" });
}

/**
 * The sources from which the partner of a login may be taken: a password that came with another user's name belongs to
 * that user.
 */
function ownersOf(
  name: SettingName,
  { order, login }: { order: readonly Source[]; login: SettingName | undefined },
): readonly Source[] {
  const main = partners[name as keyof typeof partners];
  if (login !== undefined && isLogin(main) && main !== login) return [];
  const value = firstOf(main, order)?.value;
  return order.filter(({ values }) => values[main] === undefined || values[main] === value);
}

const keyOf = (name: SettingName): string => sources[name].key;

const isAmong = (servers: readonly string[], urls: string): boolean => {
  try {
    return areAmong(servers, parseServerUrls(urls).servers);
  } catch {
    return false;
  }
};

type InForce = { found: FoundSettings; keys: NatsContext; servers: readonly string[] };

function refuseElsewhere(context: Found, { found, keys, servers }: InForce): void {
  if (isAmong(servers, keys.url ?? defaultServer)) return;
  const name = credentials.find((each) => found[each]?.from === `context ${context.value}`);
  if (name === undefined) return;
  const where = parseServerUrls(keys.url ?? defaultServer).servers.join(",");
  throw new OrderctlError(
    "usage",
    `${keyOf(name)} of context ${context.value} is for ${where} and is not sent to ${servers.join(",")}`,
    {
      hint: "leave --server (NATS_URL) or --context (NATS_CONTEXT) away, or give credentials: --creds, --user, --token",
    },
  );
}

function findTlsFirst(
  { tlsFirst }: SettingFlags,
  { tls_first }: NatsContext,
  context: Found | undefined,
): Found<boolean> | undefined {
  if (tlsFirst !== undefined) return { value: tlsFirst, from: "--tls-first" };
  return tls_first === undefined ? undefined : { value: tls_first, from: `context ${context?.value}` };
}

/**
 * `NATS_CONTEXT` counts only without `--server`; the context selected in the nats CLI only if NATS_URL is not set
 * either.
 */
function chooseContext({ context, server }: SettingFlags, env: NodeJS.ProcessEnv): Found | undefined {
  if (context !== undefined) return { value: context, from: "--context" };
  if (server !== undefined) return undefined;
  if (env.NATS_CONTEXT) return { value: env.NATS_CONTEXT, from: "NATS_CONTEXT" };
  const selected = env.NATS_URL ? undefined : selectedContext(env);
  return selected === undefined ? undefined : { value: selected, from: "the nats CLI's selection" };
}
