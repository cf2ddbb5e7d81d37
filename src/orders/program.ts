import type { FlowProgram } from "../cli/flow-program.ts";
import { httpUrl } from "../cli/options.ts";
import type { FlowVariant } from "../flow/define/flow-variant.ts";
import { defaultConcurrency } from "../flow/start-workers.ts";
import { orderFlow } from "./built-in-flow.ts";
import { orderShape } from "./flow.ts";
import { gatewayCompanion } from "./gateway/simulator/command.ts";
import { type OrderFlow, orders } from "./replace-handler.ts";
import { orderReplay } from "./replay.ts";
import { openOrderParts, withOrderServiceFlags } from "./service-flags.ts";

/** The order flow, in the form in which the commands run it. */
export const orderProgram: FlowProgram = {
  flow: orderFlow,
  runnable: ["order", ...orderShape.services],
  serviceOf: (name) => name,
  concurrency: defaultConcurrency,
  withServiceFlags: withOrderServiceFlags,
  openParts: openOrderParts(),
  companion: gatewayCompanion,
  withAuditFlags: (command) =>
    command.option("--gateway <url>", "compare with what this payment gateway has booked", httpUrl),
  replay: orderReplay,
  loadPublish: async () => (await import("./publish/command.ts")).registerPublish,
};

/** The same with the code of a user's module, where there is one. */
export function programOf(variant: FlowVariant | undefined): FlowProgram {
  // Variants are made by `orders.replace` alone.
  const { notification } = (variant ?? orders) as OrderFlow<unknown>;
  if (!notification) return orderProgram;
  return { ...orderProgram, openParts: openOrderParts(notification), replay: replayWithoutEffects };
}

/** A user's handler tells customers: a replay would tell them again. */
const replayWithoutEffects: FlowProgram["replay"] = {
  ...orderReplay,
  services: orderReplay.services.filter((service) => service !== "notification"),
  refusals: {
    ...orderReplay.refusals,
    notification: {
      why: "notification cannot be replayed: its handler is your own, and would tell customers again",
      hint: "`orderctl audit` proves that every order ended with a notification",
    },
  },
};
