import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { OrderctlError, systemCode } from "../core/errors.ts";

const schema = z.object({
  url: z.string().optional(),
  user: z.string().optional(),
  password: z.string().optional(),
  token: z.string().optional(),
  creds: z.string().optional(),
  nkey: z.string().optional(),
  user_jwt: z.string().optional(),
  user_seed: z.string().optional(),
  cert: z.string().optional(),
  key: z.string().optional(),
  ca: z.string().optional(),
  tls_first: z.boolean().optional(),
  inbox_prefix: z.string().optional(),
  jetstream_domain: z.string().optional(),
  jetstream_api_prefix: z.string().optional(),
});

/** The settings of a context of the nats CLI; a key that is empty in the file is absent. */
export type NatsContext = z.infer<typeof schema>;

/**
 * Keys that do not affect this program: `jetstream_event_prefix` is the prefix of advisories, which it does not
 * subscribe to.
 */
const ignored: readonly string[] = ["name", "description", "color_scheme", "jetstream_event_prefix"];

const hints: Partial<Record<string, string>> = {
  nsc: "`nsc generate creds` writes a file for the key creds",
  socks_proxy: "name an address that is reached without a proxy: --server, with --creds or --user",
};

const secretKeys = ["password", "token", "user_jwt", "user_seed"] as const;
const credentialKeys = ["creds", "nkey"] as const;
const fileKeys = ["cert", "key", "ca"] as const;

const folderOf = (env: NodeJS.ProcessEnv): string =>
  join(env.XDG_CONFIG_HOME || join(home(env), ".config"), "nats");

/** The name of the context that the `nats` CLI selected, if any. */
export const selectedContext = (env: NodeJS.ProcessEnv): string | undefined =>
  readText(join(folderOf(env), "context.txt"))?.trim() || undefined;

/**
 * Reads a context of the `nats` CLI (`$XDG_CONFIG_HOME/nats/context/<name>.json`); never writes one. The keys are those
 * of https://github.com/nats-io/jsm.go/blob/main/natscontext/context.go; a key that is set but not supported is
 * refused, since it may decide which server or user is meant. `~` and `$VAR` are expanded in paths. Secrets may be
 * `env://NAME`, `data:;base64,…` or `file://path`; the last is returned as a path, to be read at each connect. Throws
 * `usage`.
 */
export function readContext(env: NodeJS.ProcessEnv, name: string): NatsContext {
  const file = join(folderOf(env), "context", `${name}.json`);
  const text = readText(file);
  if (text === undefined) {
    throw new OrderctlError("usage", `there is no nats context ${JSON.stringify(name)}`, {
      hint: `looked for ${file}; \`nats context ls\` lists them`,
    });
  }
  const given = givenIn(file, text);
  const refuse = (why: string, hint?: string) => new OrderctlError("usage", `${file}: ${why}`, { hint });
  for (const key of Object.keys(given)) {
    if (key in schema.shape || ignored.includes(key)) continue;
    throw refuse(
      `orderctl cannot do what ${JSON.stringify(key)} asks for`,
      hints[key] ?? "use another context",
    );
  }
  const context = decode(file, given);
  if (context.user_seed && !context.user_jwt) throw refuse("user_seed needs user_jwt");
  if (context.jetstream_domain && context.jetstream_api_prefix)
    throw refuse("jetstream_domain and jetstream_api_prefix exclude each other");
  return resolve(context, env, (key, why) => refuse(`${key}: ${why}`));
}

/** The keys of the file that have a value. The nats CLI writes every key, so an empty one counts as absent. */
function givenIn(file: string, text: string): Record<string, unknown> {
  const empty: unknown[] = ["", null, false];
  const isGiven = (value: unknown) => !empty.includes(value) && !(Array.isArray(value) && value.length === 0);
  try {
    const all = z.record(z.string(), z.unknown()).parse(JSON.parse(text));
    return Object.fromEntries(Object.entries(all).filter(([, value]) => isGiven(value)));
  } catch (cause) {
    throw noContext(file, cause);
  }
}

function decode(file: string, given: Record<string, unknown>): NatsContext {
  try {
    return schema.parse(given);
  } catch (cause) {
    throw noContext(file, cause);
  }
}

const noContext = (file: string, cause: unknown): OrderctlError =>
  new OrderctlError("usage", `${file} is no context of the nats CLI`, { cause });

type Refuse = (key: string, why: string) => OrderctlError;

function resolve(context: NatsContext, env: NodeJS.ProcessEnv, refuse: Refuse): NatsContext {
  const resolved: NatsContext = { ...context };
  if (context.user) resolved.user = readUser(context.user, env, (why) => refuse("user", why));
  for (const key of secretKeys) {
    const value = context[key];
    if (value) resolved[key] = resolveSecret(value, env, (why) => refuse(key, why));
  }
  for (const key of credentialKeys) {
    const value = context[key];
    if (value) resolved[key] = resolveCredentials(value, env, (why) => refuse(key, why));
  }
  for (const key of fileKeys) {
    const value = context[key];
    if (value) resolved[key] = pathOf(value, env, (why) => refuse(key, why));
  }
  return resolved;
}

type RefuseValue = (why: string) => OrderctlError;

/** The user name. Unlike a secret, it is not rotated, so a `file://` is read here, once. */
function readUser(value: string, env: NodeJS.ProcessEnv, refuse: RefuseValue): string {
  const user = resolveSecret(value, env, refuse);
  if (!user.startsWith("file://")) return user;
  const text = readText(user.slice("file://".length));
  if (text === undefined) throw refuse(`there is no ${user}`);
  return text.trim();
}

/** The secret itself, or `file://` and the expanded path. */
function resolveSecret(value: string, env: NodeJS.ProcessEnv, refuse: RefuseValue): string {
  const [, scheme, rest = ""] = /^(env:\/\/|file:\/\/|data:|op:\/\/|nsc:\/\/)(.*)$/s.exec(value) ?? [];
  if (scheme === undefined) return value;
  if (scheme === "file://") return `file://${expand(rest, env)}`;
  if (scheme === "env://") {
    const found = env[rest];
    if (!found) throw refuse(`the variable ${rest} is not set`);
    return found;
  }
  if (scheme === "data:") {
    const [, base64] = /^[^,]*;\s*base64\s*,(.*)$/s.exec(rest) ?? [];
    if (base64 === undefined) throw refuse("is no data: in base64");
    return Buffer.from(base64, "base64").toString().trim();
  }
  throw refuse(`orderctl cannot read from ${scheme}`);
}

/** The path of a credentials file, or its content as `data:;base64,…`. */
function resolveCredentials(value: string, env: NodeJS.ProcessEnv, refuse: RefuseValue): string {
  if (!/^(env|data|op|nsc):/.test(value)) return pathOf(value, env, refuse);
  return `data:;base64,${Buffer.from(resolveSecret(value, env, refuse)).toString("base64")}`;
}

function pathOf(value: string, env: NodeJS.ProcessEnv, refuse: RefuseValue): string {
  const path = value.replace(/^file:\/\//, "");
  const [scheme] = /^[a-z]{2,}:(\/\/|;)/.exec(path) ?? [];
  if (scheme) throw refuse(`orderctl cannot read from ${scheme}`);
  return expand(path, env);
}

const expand = (path: string, env: NodeJS.ProcessEnv): string =>
  path
    .replace(/^~(?=\/|$)/, home(env))
    .replace(/\$\{?([A-Za-z_]\w*)\}?/g, (_, variable: string) => env[variable] ?? "");

const home = (env: NodeJS.ProcessEnv): string => env.HOME ?? homedir();

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (thrown) {
    if (systemCode(thrown) === "ENOENT") return undefined;
    throw new OrderctlError("usage", `cannot read ${file}`, { cause: thrown });
  }
}
