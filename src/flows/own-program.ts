import type { FlowProgram, ReplayProgram } from "../cli/flow-program.ts";
import { OrderctlError } from "../core/errors.ts";
import type { CompiledFlow } from "../flow/define/compile-flow.ts";
import { serviceOnBroker } from "../flow/define/flow-services.ts";
import { noDeps } from "../flow/define/given-context.ts";
import { definedHandlers } from "../flow/define/handlers.ts";
import { HandlerBreaker } from "../flow/define/service-breaker.ts";
import { keepDefinition } from "./kept-definitions.ts";

/** So that what a user's handlers call, a database for one, is not asked by hundreds at once. */
const defaultConcurrency = 16;

/** As long as an outage of what a handler calls may last where too few events come to tell it from their own faults. */
const patienceMs = 10 * 60_000;

/** A flow that a user has defined, in the form in which the commands run it. */
export function ownProgram(compiled: CompiledFlow): FlowProgram {
  const { flow, defined } = compiled;
  const { definition, openDeps, closeDeps } = defined;
  const serviceOf = (name: string) => serviceOnBroker(definition.name, name);
  return {
    // The flow's own code decodes what this code hands back to it.
    flow: flow as unknown as FlowProgram["flow"],
    runnable: [...new Set(defined.services.map(({ name }) => name))],
    serviceOf,
    concurrency: defaultConcurrency,
    withServiceFlags: (command) =>
      command.option(
        "--accept-breaking",
        "serve a definition with which stored events are not read as what they are",
        false,
      ),
    async openParts({ env, signal, terminal }, { acceptBreaking = false }, { services }) {
      const isServing = services.length > 0;
      const deps = isServing ? await opened(openDeps && (() => openDeps({ env, signal }))) : undefined;
      const breakers = new Map(
        defined.services.map(({ name }) => [name, new HandlerBreaker(serviceOf(name), terminal.note)]),
      );
      return {
        handlers: (log) => definedHandlers(compiled, { log, deps, breakers }),
        breakers: Object.fromEntries([...breakers].map(([name, breaker]) => [serviceOf(name), breaker])),
        patienceMs,
        begin: (connection) =>
          keepDefinition(connection, compiled, {
            acceptBreaking: acceptBreaking === true,
            note: terminal.note,
          }),
        concurrency: Object.fromEntries(
          defined.services.map(({ name, service: { concurrency = defaultConcurrency } }) => [
            serviceOf(name),
            concurrency,
          ]),
        ),
        close: async () => void (isServing && (await closeDeps?.(deps as never))),
      };
    },
    withAuditFlags: (command) => command,
    replay: replayOf(compiled),
    own: { compiled, isOfBroker: false },
    loadPublish: async () => (await import("./publish-command.ts")).registerPublishEvents(compiled),
  };
}

async function opened(open: (() => unknown) | undefined): Promise<unknown> {
  try {
    return await open?.();
  } catch (thrown) {
    const { message } = OrderctlError.from(thrown);
    throw new OrderctlError("unavailable", `what the services work with cannot be opened: ${message}`, {
      cause: thrown,
      source: "dependency",
    });
  }
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
