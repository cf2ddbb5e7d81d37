import type { FlowProgram, ReplayProgram } from "../cli/flow-program.ts";
import type { CompiledFlow } from "../flow/define/compile-flow.ts";
import { serviceOnBroker } from "../flow/define/flow-services.ts";
import { noDeps } from "../flow/define/given-context.ts";
import { definedHandlers, handlerConcurrency } from "../flow/define/handlers.ts";
import { keepDefinition } from "./kept-definitions.ts";
import { openOwnParts } from "./own-parts.ts";

/** A flow that a user has defined, in the form in which the commands run it. */
export function ownProgram(compiled: CompiledFlow): FlowProgram {
  const { flow, defined } = compiled;
  const { definition } = defined;
  const serviceOf = (name: string) => serviceOnBroker(definition.name, name);
  return {
    // The flow's own code decodes what this code hands back to it.
    flow: flow as unknown as FlowProgram["flow"],
    runnable: [...new Set(defined.services.map(({ name }) => name))],
    serviceOf,
    concurrency: handlerConcurrency,
    withServiceFlags: (command) =>
      command.option(
        "--accept-breaking",
        "serve a definition with which stored events are not read as what they are",
        false,
      ),
    async openParts({ env, signal, terminal: { note } }, { acceptBreaking = false }, { services }) {
      const parts = await openOwnParts(compiled, { env, signal, note, services });
      const keeping = { acceptBreaking: acceptBreaking === true, note };
      return { ...parts, begin: (connection) => keepDefinition(connection, compiled, keeping) };
    },
    withAuditFlags: (command) => command,
    replay: replayOf(compiled),
    own: { compiled, isOfBroker: false },
    loadPublish: async () => (await import("./publish-command.ts")).registerPublishEvents(compiled),
  };
}

/** Only services without effects: what the others call would happen again. */
function replayOf(compiled: CompiledFlow): ReplayProgram {
  const { defined } = compiled;
  const { services } = defined;
  const names = [...new Set(services.map(({ name }) => name))];
  const isHarmless = (name: string) =>
    services.every((each) => each.name !== name || each.service.effects === "none");
  const refusals = names
    .filter((name) => !isHarmless(name))
    .map((name) => {
      const why = `${name} cannot be replayed: it does not say that its handlers have no effects`;
      return [name, { why, hint: 'effects: "none" in its definition says so' }] as const;
    });
  return {
    services: names.filter(isHarmless),
    refusals: Object.fromEntries(refusals),
    storeRefusals: {},
    withFlags: (command) => command,
    openHandlers: async (log) =>
      definedHandlers(compiled, { log, deps: defined.openDeps ? noDeps : undefined }),
    resumeFlags: () => [],
  };
}
