import type { Note } from "../../core/note.ts";
import { Breaker, createBreakingGateway } from "./breaker.ts";
import type { PaymentGateway } from "./gateway.ts";
import { createHttpGateway } from "./http-gateway.ts";
import { decisionOf, type GatewayFlags } from "./options.ts";
import { createRetryingGateway } from "./retrying-gateway.ts";
import { createSimulatedGateway } from "./simulated-gateway.ts";

/** The gateway as payment calls it: failed calls are repeated, and no call is made while the breaker is open. */
export function openGateway(flags: GatewayFlags, note: Note): { gateway: PaymentGateway; breaker: Breaker } {
  const breaker = new Breaker({
    name: "PaymentService",
    failures: flags.breakerFailures,
    openMs: flags.breakerOpen,
    note,
  });
  const retries = { attempts: flags.gatewayAttempts, backoffMs: flags.gatewayBackoff };
  const patient = createRetryingGateway(providerOf(flags), retries);
  return { gateway: createBreakingGateway(patient, breaker), breaker };
}

function providerOf(flags: GatewayFlags): PaymentGateway {
  const { gateway, gatewayTimeout, gatewayErrors, gatewayLatency } = flags;
  if (gateway) return createHttpGateway({ url: gateway, timeoutMs: gatewayTimeout });
  return createSimulatedGateway({
    ...decisionOf(flags),
    latencyMs: gatewayLatency,
    errorShare: gatewayErrors,
  });
}
