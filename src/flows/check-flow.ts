import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Config } from "../cli/config.ts";
import { OrderctlError } from "../core/errors.ts";
import type { CompiledFlow } from "../flow/define/compile-flow.ts";
import type { Finding } from "../flow/define/finding.ts";
import { flowAdvice } from "../flow/define/flow-advice.ts";
import { flowChanges } from "../flow/define/flow-changes.ts";
import { askBroker } from "./ask-broker.ts";
import { flowTypes } from "./flow-types.ts";
import { readDefinition } from "./kept-definitions.ts";

/** What `flow check` tells, as its JSON. */
export type FlowCheck = {
  flow: string;
  kinds: number;
  services: number;
  /** The file of `flow types` beside the module; `null` where there is none. */
  types: { file: string; isCurrent: boolean } | null;
  /** The address of the broker whose definition this one was compared with; `null` where it was not compared. */
  comparedWith: string | null;
  /** Why it was not compared. */
  notCompared: string | null;
  findings: Finding[];
};

type Checking = { signal: AbortSignal; config: () => Promise<Config>; offline: boolean };

/**
 * Checks a flow that is loaded: its types file, its `.proto` files, and what of it has changed since the broker has kept
 * it. Rejects as connecting does where a broker was named and cannot be asked.
 */
export async function checkFlow(compiled: CompiledFlow, checking: Checking): Promise<FlowCheck> {
  const { name, events } = compiled.defined.definition;
  const types = checkTypes(compiled);
  const compared = await compare(compiled, checking);
  return {
    flow: name,
    kinds: Object.keys(events).length,
    services: new Set(compiled.defined.services.map((each) => each.name)).size,
    types,
    comparedWith: compared.comparedWith,
    notCompared: compared.notCompared,
    findings: [
      ...compared.changes,
      ...(types && !types.isCurrent ? [stale(types.file)] : []),
      ...flowAdvice(compiled),
    ],
  };
}

type Compared = { changes: Finding[]; comparedWith: string | null; notCompared: string | null };

const uncompared = (why: string): Compared => ({ changes: [], comparedWith: null, notCompared: why });

async function compare(compiled: CompiledFlow, { offline, config, signal }: Checking): Promise<Compared> {
  if (offline) return uncompared("--offline");
  const settings = await config();
  const { name } = compiled.defined.definition;
  try {
    return await askBroker(settings, signal, async (connection) => {
      const kept = await readDefinition(connection, name);
      if (!kept) return uncompared(`the broker at ${connection.server} keeps no definition of ${name} yet`);
      return {
        changes: flowChanges(kept.flow, compiled),
        comparedWith: connection.server,
        notCompared: null,
      };
    });
  } catch (thrown) {
    signal.throwIfAborted();
    const error = OrderctlError.from(thrown);
    // Where nobody has named a broker, there need not be one.
    const isNone = !settings.serverGiven && error.code === "unavailable" && error.source !== "store";
    if (!isNone) throw error;
    return uncompared(error.message);
  }
}

function checkTypes(compiled: CompiledFlow): FlowCheck["types"] {
  const { definition, place } = compiled.defined;
  // Types are written of protobuf alone.
  if (Object.values(compiled.types).some((type) => type === undefined)) return null;
  const file = place && join(dirname(place.file), `${definition.name}.types.ts`);
  if (file === undefined || !existsSync(file)) return null;
  const text = readFileSync(file, "utf8");
  // A file of that name that somebody else has written is none of ours.
  if (!text.includes("orderctl flow types")) return null;
  return { file, isCurrent: sense(text) === sense(flowTypes(compiled)) };
}

/** Without what a formatter may have changed. */
const sense = (text: string): string =>
  text
    .replaceAll("'", '"')
    .replace(/[\s;,]/g, "")
    .replace(/([:=<(])\|/g, "$1");

const stale = (file: string): Finding => ({
  level: "breaks",
  what: "the types are not those of the .proto files any more",
  where: file,
  why: `handlers are checked against what events no longer are: orderctl flow types --out ${file}`,
});
