import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { OrderctlError, systemCode } from "./errors.ts";

/** The keys of a context file that this program understands; others are ignored. */
const schema = z.object({
  url: z.string().optional(),
  user: z.string().optional(),
  password: z.string().optional(),
  token: z.string().optional(),
  creds: z.string().optional(),
  nkey: z.string().optional(),
  cert: z.string().optional(),
  key: z.string().optional(),
  ca: z.string().optional(),
  tls_first: z.boolean().optional(),
  inbox_prefix: z.string().optional(),
});

export type NatsContext = z.infer<typeof schema>;

const secretKeys = ["user", "password", "token"] as const;
const fileKeys = ["creds", "nkey", "cert", "key", "ca"] as const;

const folderOf = (env: NodeJS.ProcessEnv): string =>
  join(env.XDG_CONFIG_HOME || join(home(env), ".config"), "nats");

/** The name of the context that the `nats` CLI selected, if any. */
export const selectedContext = (env: NodeJS.ProcessEnv): string | undefined =>
  readText(join(folderOf(env), "context.txt"))?.trim() || undefined;

/**
 * Reads a context of the `nats` CLI (`$XDG_CONFIG_HOME/nats/context/<name>.json`); never writes one. `~` and `$VAR` are
 * expanded in paths; secrets may be `env://NAME`, `file://path` or `data:;base64,…`. Throws `usage` where there is none.
 */
export function readContext(env: NodeJS.ProcessEnv, name: string): NatsContext {
  const file = join(folderOf(env), "context", `${name}.json`);
  const text = readText(file);
  if (text === undefined) {
    throw new OrderctlError("usage", `there is no nats context ${JSON.stringify(name)}`, {
      hint: `looked for ${file}; \`nats context ls\` lists them`,
    });
  }
  return resolve(parse(file, text), env);
}

function parse(file: string, text: string): NatsContext {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new OrderctlError("usage", `${file} is no context of the nats CLI`, { cause });
  }
}

function resolve(context: NatsContext, env: NodeJS.ProcessEnv): NatsContext {
  const resolved: NatsContext = { ...context };
  for (const key of secretKeys) if (resolved[key]) resolved[key] = readSecret(resolved[key], env);
  for (const key of fileKeys) if (resolved[key]) resolved[key] = expand(resolved[key], env);
  return resolved;
}

function readSecret(value: string, env: NodeJS.ProcessEnv): string {
  if (value.startsWith("env://")) return env[value.slice("env://".length)] ?? "";
  if (value.startsWith("file://")) return readText(expand(value.slice("file://".length), env))?.trim() ?? "";
  if (value.startsWith("data:;base64,")) return Buffer.from(value.slice(13), "base64").toString();
  return value;
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
