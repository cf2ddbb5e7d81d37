import { OrderctlError } from "../core/errors.ts";
import type { FlowVariant } from "../flow/define/flow-variant.ts";
import { toldOf } from "../flow/define/given-context.ts";
import { asHandler } from "../flow/handler.ts";
import type { OpenParts, TestableFlow } from "../flow/testable-flow.ts";
import { orderFlow } from "./built-in-flow.ts";
import type { OrderEvent } from "./events.ts";
import { orderShape } from "./flow.ts";
import { createSimulatedGateway } from "./gateway/simulated-gateway.ts";
import { dataEventOf, openNotification, tellBy } from "./own-notification.ts";
import type { OrderFlow } from "./replace-handler.ts";
import { orderParts } from "./service-parts.ts";
import { partners } from "./services/handlers.ts";
import { notifyCustomer } from "./services/notification.ts";

/**
 * The order flow as tests run it, with what `serve` has where nothing is said: a simulated gateway that declines one
 * order in fifty, by its id, and a million units of each SKU.
 */
export function testableOrders(variant: FlowVariant): TestableFlow {
  // Variants are made by `orders.replace` alone.
  const { notification: code } = variant as OrderFlow<unknown>;
  return {
    flow: orderFlow as unknown as TestableFlow["flow"],
    services: orderShape.services,
    serviceOf: (name) => name,
    async openParts(options) {
      const isServed = code && options.services.includes("notification");
      return orderParts({
        ...simulated,
        note: options.note,
        notification: isServed ? await openNotification(code, options satisfies OpenParts) : undefined,
      });
    },
    handlerOf(service, kind, working) {
      const kinds = orderShape.subscriptionsOf("notification").map(({ on }) => on);
      if (code && service === "notification" && kinds.includes(kind))
        return asHandler(notifyCustomer(code.channel ?? partners.channel, tellBy(code, working)));
      throw new OrderctlError("usage", `service ${service} has no handler of your own for ${kind}`);
    },
    eventOf: (kind, data) => ({ ...data, kind }),
    toldOf: (event) => toldOf(dataEventOf(event as OrderEvent)),
    tokenOf: (key) => key,
  };
}

const simulated = {
  gateway: createSimulatedGateway({ seed: 1, declineShare: 0.02, latencyMs: 0 }),
  defaultStock: 1_000_000,
  ...partners,
  instance: "test",
  http: { host: "127.0.0.1", port: 0 },
};
