import { existsSync } from "node:fs";
import * as nodeModule from "node:module";
import { extname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { OrderctlError } from "../core/errors.ts";
import { type CompiledFlow, compileDefinedFlow } from "../flow/define/compile-flow.ts";
import { isDefinedFlow } from "../flow/define/define-flow.ts";

/** What `import … from "orderctl"` finds in a flow's module, wherever orderctl is installed. */
const ownModules: Readonly<Record<string, string>> = {
  orderctl: beside("../index"),
  "orderctl/testing": beside("../testing"),
};

/** With the ending of this file, which is another before it is built. */
function beside(module: string): string {
  return new URL(`${module}${extname(import.meta.url)}`, import.meta.url).href;
}

/** The module's default export. Throws `usage` with the file, and the line where its code has failed. */
export async function importModule(path: string): Promise<unknown> {
  if (!existsSync(path)) throw new OrderctlError("usage", `${path}: there is no such file`);
  try {
    const { default: exported } = await (isNative(path) ? importNatively(path) : importWithJiti(path));
    return exported;
  } catch (thrown) {
    throw failed(path, thrown);
  }
}

/** The flow that a module exports, ready for the commands. */
export async function loadFlow(file: string): Promise<CompiledFlow> {
  const path = resolve(file);
  return compileExported(await importModule(path), path);
}

/** Throws `usage` for what is no flow of a user's own. */
export async function compileExported(exported: unknown, path: string): Promise<CompiledFlow> {
  if (isDefinedFlow(exported)) return compileDefinedFlow(exported);
  throw new OrderctlError("usage", `${path}: it exports no flow`, {
    hint: "export default defineFlow({ … }), or orders.replace( … ) for the built-in one",
  });
}

type Hooks = { registerHooks?: (hooks: { resolve: Resolve }) => unknown };
type Resolve = (
  specifier: string,
  context: unknown,
  next: (specifier: string, context: unknown) => unknown,
) => unknown;

/** Whether Node itself can import the module, and lets `orderctl` be found. */
function isNative(path: string): boolean {
  const { registerHooks } = nodeModule as Hooks;
  const { typescript } = process.features as { typescript?: unknown };
  return registerHooks !== undefined && (!/\.[cm]?tsx?$/.test(path) || Boolean(typescript));
}

let areHooksRegistered = false;

async function importNatively(path: string): Promise<{ default?: unknown }> {
  if (!areHooksRegistered) {
    areHooksRegistered = true;
    (nodeModule as Hooks).registerHooks?.({
      resolve(specifier, context, next) {
        const url = ownModules[specifier];
        return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
      },
    });
  }
  return import(pathToFileURL(path).href);
}

async function importWithJiti(path: string): Promise<{ default?: unknown }> {
  const { createJiti } = await import("jiti");
  const alias = Object.fromEntries(
    Object.entries(ownModules).map(([name, url]) => [name, fileURLToPath(url)]),
  );
  return createJiti(pathToFileURL(path).href, { alias, moduleCache: true }).import(path);
}

function failed(path: string, thrown: unknown): OrderctlError {
  if (thrown instanceof OrderctlError) return thrown;
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const [line] = error.message.split("\n");
  const at = error.stack?.split("\n").find((each) => each.includes(path));
  const row = /:(\d+):\d+\)?$/.exec(at ?? "")?.[1] ?? /:(\d+)(?::\d+)?$/.exec(at ?? "")?.[1];
  const place = row === undefined ? path : `${path}:${row}`;
  return new OrderctlError("usage", `${place}: ${line}`, { cause: thrown });
}
