import type { CompiledFlow } from "../flow/define/compile-flow.ts";
import { serviceOnBroker } from "../flow/define/flow-services.ts";
import { definedHandlers, handlerConcurrency } from "../flow/define/handlers.ts";
import { openDeps } from "../flow/define/open-deps.ts";
import { HandlerBreaker, handlerPatienceMs } from "../flow/define/service-breaker.ts";
import type { FlowParts } from "../flow/run-services.ts";
import type { OpenParts } from "../flow/testable-flow.ts";

/** The code of a defined flow's services; what they work with is opened where there is a service that runs. */
export async function openOwnParts(
  compiled: CompiledFlow,
  { env, signal, note, services, deps: given, breakerOpenMs }: OpenParts,
): Promise<FlowParts> {
  const { defined } = compiled;
  const serviceOf = (name: string) => serviceOnBroker(defined.definition.name, name);
  const isOpened = services.length > 0 && given === undefined;
  const deps = isOpened ? await openDeps(defined.openDeps, { env, signal }) : given;
  const settings = breakerOpenMs === undefined ? {} : { openMs: breakerOpenMs };
  const breakers = new Map(
    defined.services.map(({ name }) => [name, new HandlerBreaker(serviceOf(name), note, settings)]),
  );
  return {
    handlers: (log) => definedHandlers(compiled, { log, deps, breakers }),
    breakers: Object.fromEntries([...breakers].map(([name, breaker]) => [serviceOf(name), breaker])),
    patienceMs: Object.fromEntries(defined.services.map(({ name }) => [serviceOf(name), handlerPatienceMs])),
    concurrency: Object.fromEntries(
      defined.services.map(({ name, service: { concurrency = handlerConcurrency } }) => [
        serviceOf(name),
        concurrency,
      ]),
    ),
    close: async () => void (isOpened && (await defined.closeDeps?.(deps as never))),
  };
}
