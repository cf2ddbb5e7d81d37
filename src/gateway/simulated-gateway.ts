import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../errors.ts";
import type { Charge, PaymentGateway } from "./gateway.ts";

export type SimulatedGatewayOptions = {
  seed: number;
  /** Share of the orders that are declined, 0 to 1. */
  declineShare: number;
  /** How long each call takes. */
  latencyMs: number;
  /** Share of the calls that fail as an outage would, 0 to 1. By chance: nothing else would let a second try pass. */
  errorShare?: number;
};

const reasons = ["insufficient_funds", "card_expired", "do_not_honor", "suspected_fraud"] as const;

/**
 * A gateway inside the process. If it answers, what it answers depends on nothing but the idempotency key and the
 * seed: it needs no memory to answer the same charge the same way, in every process and after every crash.
 */
export function createSimulatedGateway({
  seed,
  declineShare,
  latencyMs,
  errorShare = 0,
}: SimulatedGatewayOptions): PaymentGateway {
  const pause = async (signal: AbortSignal) => {
    if (latencyMs > 0) await wait(latencyMs, undefined, { signal });
    if (errorShare > 0 && Math.random() < errorShare) throw outage();
  };
  return {
    async charge({ idempotencyKey, signal }): Promise<Charge> {
      await pause(signal);
      const hash = fnv1a(idempotencyKey, seed);
      if (hash / 2 ** 32 >= declineShare) return { status: "APPROVED", chargeId: `ch_${idempotencyKey}` };
      return { status: "DECLINED", reason: reasons[hash % reasons.length] ?? reasons[0] };
    },
    async refund({ idempotencyKey, signal }) {
      await pause(signal);
      return { refundId: `re_${idempotencyKey}` };
    },
  };
}

const outage = () => new OrderctlError("unavailable", "the simulated payment gateway is out of order");

/**
 * FNV-1a (Fowler, Noll, Vo), 32 bits, with the finaliser of MurmurHash3 so that ids that differ in the last
 * character only still spread over the whole range.
 */
function fnv1a(text: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
