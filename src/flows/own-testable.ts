import { OrderctlError } from "../core/errors.ts";
import { compileDefinedFlow } from "../flow/define/compile-flow.ts";
import type { DefinedFlow } from "../flow/define/define-flow.ts";
import { type DataEvent, eventOf } from "../flow/define/event-codec.ts";
import { serviceOnBroker } from "../flow/define/flow-services.ts";
import { toldOf } from "../flow/define/given-context.ts";
import { handlerOf } from "../flow/define/handlers.ts";
import { tokenOfKey } from "../flow/define/key-token.ts";
import type { Data } from "../flow/define/payload.ts";
import { asHandler } from "../flow/handler.ts";
import type { TestableFlow } from "../flow/testable-flow.ts";
import { openOwnParts } from "./own-parts.ts";

/** A flow that a user has defined, as tests run it. Throws `usage` for a definition that cannot be. */
export async function ownTestable(given: DefinedFlow): Promise<TestableFlow> {
  const compiled = await compileDefinedFlow(given);
  const { flow, defined } = compiled;
  const { name: flowName, key } = defined.definition;
  return {
    // The flow's own code decodes what this code hands back to it.
    flow: flow as unknown as TestableFlow["flow"],
    services: [...new Set(defined.services.map(({ name }) => name))],
    serviceOf: (name) => serviceOnBroker(flowName, name),
    openParts: (options) => openOwnParts(compiled, options),
    handlerOf(service, kind, working) {
      const own = defined.services.find((each) => each.name === service && each.service.on === kind);
      if (own) return asHandler(handlerOf(compiled, own, working));
      throw new OrderctlError("usage", `service ${service} does not work on ${kind}`);
    },
    eventOf: (kind, data) => eventOf(key, kind, { ...data } as Data),
    toldOf: (event) => toldOf(event as DataEvent),
    tokenOf: tokenOfKey,
  };
}
