import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../../core/errors.ts";
import type { Charge, PaymentGateway } from "./gateway.ts";

export type SimulatedGatewayOptions = Decision & {
  /** How long each call takes. */
  latencyMs: number;
  /**
   * Share of the calls that fail as in an outage, 0 to 1. They are chosen at random, so that a second try can succeed.
   */
  errorShare?: number;
};

/**
 * A gateway inside the process. Unless a call fails, its answer depends only on the idempotency key and the seed: so it
 * answers the same charge the same way, without memory, in every process and after every crash.
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

/** The answer of a simulated provider, which depends only on the idempotency key and the seed. */
export function decideCharge(idempotencyKey: string, { seed, declineShare }: Decision): Charge {
  const hash = fnv1a(idempotencyKey, seed);
  if (hash / 2 ** 32 >= declineShare)
    return { status: "APPROVED", chargeId: `${chargePrefix}${idempotencyKey}` };
  return { status: "DECLINED", reason: reasons[hash % reasons.length] ?? reasons[0] };
}

const chargePrefix = "ch_";

/** The idempotency key of the charge with this id. */
export const keyOfCharge = (chargeId: string): string => chargeId.slice(chargePrefix.length);

export const refundIdFor = (idempotencyKey: string): string => `re_${idempotencyKey}`;

/**
 * FNV-1a (Fowler, Noll, Vo), 32 bits, with the finaliser of MurmurHash3, so that ids that differ only in the last
 * character spread over the whole range.
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
