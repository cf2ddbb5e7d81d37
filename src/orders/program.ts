import type { FlowProgram } from "../cli/flow-program.ts";
import { httpUrl } from "../cli/options.ts";
import { defaultConcurrency } from "../flow/start-workers.ts";
import { orderFlow } from "./built-in-flow.ts";
import { orderShape } from "./flow.ts";
import { gatewayCompanion } from "./gateway/simulator/command.ts";
import { orderReplay } from "./replay.ts";
import { openOrderParts, withOrderServiceFlags } from "./service-flags.ts";

/** The order flow, in the form in which the commands run it. */
export const orderProgram: FlowProgram = {
  flow: orderFlow,
  runnable: ["order", ...orderShape.services],
  serviceOf: (name) => name,
  concurrency: defaultConcurrency,
  withServiceFlags: withOrderServiceFlags,
  openParts: openOrderParts,
  companion: gatewayCompanion,
  withAuditFlags: (command) =>
    command.option("--gateway <url>", "compare with what this payment gateway has booked", httpUrl),
  replay: orderReplay,
  loadPublish: async () => (await import("./publish/command.ts")).registerPublish,
};
