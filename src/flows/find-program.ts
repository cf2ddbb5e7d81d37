import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { FlowProgram } from "../cli/flow-program.ts";
import { OrderctlError } from "../core/errors.ts";
import { parseObject } from "../core/parse-object.ts";
import { type FlowVariant, isFlowVariant } from "../flow/define/flow-variant.ts";

/** The name of the built-in flow, for `--flow` where a configuration names another. */
const builtInName = "orders";

const configNames = ["ts", "mts", "js", "mjs", "json"].map((end) => `orderctl.config.${end}`);

/** `orderctl.config.ts|js|json`: `flows` are modules, beside it; `flow` is the one to use where there are several. */
export type ProjectConfig = { flows?: readonly string[]; flow?: string };

/** The built-in flow, with the code of a module where one has some. */
export type BuiltIn = (variant?: FlowVariant) => Promise<FlowProgram>;

type Asked = { argv: readonly string[]; env: NodeJS.ProcessEnv; cwd: string; signal?: AbortSignal };

/**
 * The flow that a command line is about: that of `--flow` (a module, or the name of a configured flow), of the variable
 * ORDERCTL_FLOW, of the configuration in this folder or above, else the built-in one. A name that no configuration knows
 * is looked up on the broker. Throws `usage` where it cannot be loaded, or nobody knows it.
 */
export async function findProgram(asked: Asked, builtIn: BuiltIn): Promise<FlowProgram> {
  const given = flowIn(asked.argv) || asked.env.ORDERCTL_FLOW || undefined;
  const isFile = given !== undefined && /[./\\]/.test(given);
  if (isFile) return (await load(resolve(asked.cwd, given), builtIn)).program();
  const config = findConfig(asked.cwd);
  // Whoever put a configuration here, the built-in flow can be named.
  if (given === builtInName && (config === undefined || !isOwn(config))) return builtIn();
  if (config === undefined) return given === undefined ? builtIn() : onBroker(asked, given);
  mustBeOwn(config);
  return configured(asked, { path: config, given }, builtIn);
}

export const flowFlag = "--flow";

/** The value of `--flow`, wherever it stands: it has to be known before the command is. */
function flowIn(argv: readonly string[]): string | undefined {
  const index = argv.findIndex((word) => word === flowFlag || word.startsWith(`${flowFlag}=`));
  const word = argv[index];
  return word === flowFlag ? argv[index + 1] : word?.slice(flowFlag.length + 1);
}

/** In this folder or the next above that has one. */
function findConfig(folder: string): string | undefined {
  const found = configNames.map((name) => join(folder, name)).find((path) => existsSync(path));
  const above = dirname(folder);
  if (found !== undefined) return found;
  return above === folder ? undefined : findConfig(above);
}

function isOwn(path: string): boolean {
  const { uid } = statSync(path);
  const self = process.getuid?.() ?? uid;
  return uid === self || uid === 0;
}

/** Its code is run with this user's rights, so one that another user has put there is refused. */
function mustBeOwn(path: string): void {
  if (isOwn(path)) return;
  throw new OrderctlError("usage", `${path} is another user's: its code is not run`, {
    hint: "--flow names the flow, also where there is no configuration",
  });
}

async function configured(
  asked: Asked,
  { path, given }: { path: string; given: string | undefined },
  builtIn: BuiltIn,
): Promise<FlowProgram> {
  const { flows = [], flow } = await readConfig(path);
  const files = flows.map((file) => resolve(dirname(path), file));
  const wanted = given ?? flow;
  const [only] = files;
  if (wanted === undefined && files.length === 1 && only !== undefined)
    return (await load(only, builtIn)).program();
  if (wanted === undefined && files.length === 0) return builtIn();
  const loaded = await Promise.all(files.map((file) => load(file, builtIn)));
  const names = loaded.map(({ name }) => name);
  if (wanted === undefined)
    throw new OrderctlError("usage", `${path} has several flows: ${names.join(", ")}`, {
      hint: "--flow names one, or `flow` in the configuration",
    });
  const chosen = loaded[names.indexOf(wanted)];
  if (chosen) return chosen.program();
  // The built-in flow has the code of the module that replaces some of it, where there is one.
  if (wanted === builtInName) return builtIn();
  return onBroker(asked, wanted, names);
}

async function readConfig(path: string): Promise<ProjectConfig> {
  const config = path.endsWith(".json")
    ? parseObject<ProjectConfig>(readFileSync(path, "utf8"))
    : ((await (await import("./load-flow.ts")).importModule(path)) as ProjectConfig | undefined);
  const isRight =
    config !== undefined &&
    Array.isArray(config.flows ?? []) &&
    (config.flows ?? []).every((file) => typeof file === "string");
  if (isRight) return config;
  throw new OrderctlError("usage", `${path}: it is no configuration`, {
    hint: '{ "flows": ["./claims.ts"] }',
  });
}

type Loaded = { name: string; program(): Promise<FlowProgram> };

async function load(path: string, builtIn: BuiltIn): Promise<Loaded> {
  const { compileExported, importModule } = await import("./load-flow.ts");
  const exported = await importModule(path);
  if (isFlowVariant(exported)) return { name: exported.name, program: () => builtIn(exported) };
  const compiled = await compileExported(exported, path);
  const { name } = compiled.defined.definition;
  return { name, program: async () => (await import("./own-program.ts")).ownProgram(compiled) };
}

/** `known`: the names of the configuration. */
async function onBroker(asked: Asked, name: string, known: readonly string[] = []): Promise<FlowProgram> {
  const { programOnBroker } = await import("./program-on-broker.ts");
  const isThere = known.length > 0 ? [`the configuration has ${known.join(", ")}`] : [];
  return programOnBroker(name, asked, [...isThere, `${builtInName} is the built-in flow`]);
}
