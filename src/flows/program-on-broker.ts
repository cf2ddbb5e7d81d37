import { configOf } from "../cli/command-action.ts";
import type { FlowProgram } from "../cli/flow-program.ts";
import { hintText } from "../cli/hints.ts";
import { connectionFlagsIn } from "../cli/options.ts";
import { OrderctlError } from "../core/errors.ts";
import type { CompiledFlow } from "../flow/define/compile-flow.ts";
import { askBroker } from "./ask-broker.ts";
import { type KeptDefinition, readDefinition, readFlowNames } from "./kept-definitions.ts";
import { ownProgram } from "./own-program.ts";

type Asked = { argv: readonly string[]; env: NodeJS.ProcessEnv; signal?: AbortSignal };

/**
 * A flow by the definition that the broker of this command line keeps: for what reads its events. Throws `usage` where
 * the broker does not know it, with the flows that it knows, and as connecting does where the broker cannot be asked.
 * `known` says which flows there are without a broker.
 */
export async function programOnBroker(
  name: string,
  { argv, env, signal }: Asked,
  known: readonly string[],
): Promise<FlowProgram> {
  const config = await configOf(connectionFlagsIn(argv), env);
  let names: string[] = [];
  const kept = await askBroker(config, signal, async (connection) => {
    const found = await readDefinition(connection, name);
    names = found ? [] : await readFlowNames(connection);
    return found;
  }).catch((thrown) => {
    signal?.throwIfAborted();
    throw notAsked(name, OrderctlError.from(thrown));
  });
  if (kept) return programOf(kept);
  const ofBroker = `the broker has ${names.length === 0 ? "none" : names.join(", ")}`;
  throw new OrderctlError("usage", `there is no flow ${name}`, {
    hint: ["--flow ./claims.ts names a module", ofBroker, ...known].join("; "),
  });
}

function notAsked(name: string, error: OrderctlError): OrderctlError {
  const hint = ["--flow ./claims.ts names a module", hintText(error.hint)].filter(Boolean).join("; ");
  const text = `there is no flow ${name} here, and the broker cannot be asked: ${error.message}`;
  return new OrderctlError(error.code, text, { hint, cause: error, source: error.source });
}

/** All but what calls the flow's handlers, and what checks events by a schema that is only in the module. */
function programOf({ flow: compiled, definition }: KeptDefinition): FlowProgram {
  const own = ownProgram(compiled);
  const { name, kinds } = definition;
  const elsewhere = { hint: `--flow ./${name}.ts names it` };
  const first = kinds.find(({ kind }) => kind === compiled.flow.firstKind);
  return {
    ...own,
    own: { compiled, isOfBroker: true },
    async openParts() {
      throw new OrderctlError(
        "usage",
        `the services of ${name} are in its module, which is not here`,
        elsewhere,
      );
    },
    replay: {
      ...own.replay,
      services: [],
      refusals: Object.fromEntries(
        own.runnable.map((service) => [
          service,
          { why: `${service} cannot be replayed: the services of ${name} are in its module`, ...elsewhere },
        ]),
      ),
    },
    async loadPublish() {
      const { registerPublishEvents } = await import("./publish-command.ts");
      return registerPublishEvents(
        compiled,
        first?.hasSchema ? schemaElsewhere(compiled, elsewhere) : undefined,
      );
    },
  };
}

const schemaElsewhere = ({ flow, defined }: CompiledFlow, details: { hint: string }): OrderctlError =>
  new OrderctlError(
    "usage",
    `${flow.firstKind} is checked by a schema that is in the module of ${defined.definition.name}, which is not here`,
    details,
  );
