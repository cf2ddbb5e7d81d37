import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../../core/errors.ts";
import { type Decision, decideCharge, refundIdFor } from "./decide-charge.ts";
import type { Charge, PaymentGateway } from "./gateway.ts";

export type SimulatedGatewayOptions = Decision & {
  /** How long each call takes. */
  latencyMs: number;
  /** Share of the calls that fail as an outage would, 0 to 1. By chance: nothing else would let a second try pass. */
  errorShare?: number;
};

/**
 * A gateway inside the process. If it answers, what it answers depends on nothing but the idempotency key and the
 * seed: it needs no memory to answer the same charge the same way, in every process and after every crash.
 */
export function createSimulatedGateway({
  latencyMs,
  errorShare = 0,
  ...decision
}: SimulatedGatewayOptions): PaymentGateway {
  const pause = async (signal: AbortSignal) => {
    if (latencyMs > 0) await wait(latencyMs, undefined, { signal });
    if (errorShare > 0 && Math.random() < errorShare) throw outage();
  };
  return {
    async charge({ idempotencyKey, signal }): Promise<Charge> {
      await pause(signal);
      return decideCharge(idempotencyKey, decision);
    },
    async refund({ idempotencyKey, signal }) {
      await pause(signal);
      return { refundId: refundIdFor(idempotencyKey) };
    },
  };
}

const outage = () => new OrderctlError("unavailable", "the simulated payment gateway is out of order");
