import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../../core/errors.ts";
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

export type Decision = {
  seed: number;
  /** Share of the orders that are declined, 0 to 1. */
  declineShare: number;
};

const reasons = ["insufficient_funds", "card_expired", "do_not_honor", "suspected_fraud"] as const;

/** What a simulated provider answers: it depends on nothing but the idempotency key and the seed. */
export function decideCharge(idempotencyKey: string, { seed, declineShare }: Decision): Charge {
  const hash = fnv1a(idempotencyKey, seed);
  if (hash / 2 ** 32 >= declineShare)
    return { status: "APPROVED", chargeId: `${chargePrefix}${idempotencyKey}` };
  return { status: "DECLINED", reason: reasons[hash % reasons.length] ?? reasons[0] };
}

const chargePrefix = "ch_";

/** The idempotency key of a charge, by its id. */
export const keyOfCharge = (chargeId: string): string => chargeId.slice(chargePrefix.length);

export const refundIdFor = (idempotencyKey: string): string => `re_${idempotencyKey}`;

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
