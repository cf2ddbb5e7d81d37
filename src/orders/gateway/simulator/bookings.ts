import { setTimeout as wait } from "node:timers/promises";
import type { Operation } from "../gateway.ts";
import { type Decision, decideCharge, keyOfCharge, refundIdFor } from "../simulated-gateway.ts";
import type { Faults } from "./faults.ts";
import type { Ledger, LedgerEntry } from "./ledger.ts";

export type CallBody = { order_id?: string; charge_id?: string; amount_minor: number; currency: string };

export type Call = { operation: Operation; key: string; body: CallBody };

type Answer = { status: number; body: Readonly<Record<string, unknown>> };

/** The answer to a call; undefined if its connection is to be cut instead. */
export type BookCall = (call: Call, signal: AbortSignal) => Promise<Answer | undefined>;

/**
 * Books calls, each idempotency key once: a booked key gets its first answer again, 422 if the call differs from the
 * booked one, 409 while a call with the key, or for the same charge, is under way. A charge that is booked here can be
 * refunded once, under any key, for at most what was paid; any other refund gets 422. `faults` is read for each call.
 */
export function createBooking(ledger: Ledger, decision: Decision, faults: () => Faults): BookCall {
  const underWay = new Set<string>();
  const bookAfter = async (latencyMs: number, call: Call, signal: AbortSignal): Promise<Answer> => {
    const ids = [`${call.operation} ${call.key}`, `money of ${call.body.charge_id ?? call.key}`];
    if (ids.some((id) => underWay.has(id)))
      return refusal(409, "a call with this Idempotency-Key, or for this charge, is under way");
    for (const id of ids) underWay.add(id);
    try {
      if (latencyMs > 0) await wait(latencyMs, undefined, { signal });
      return await book(ledger, decision, call);
    } finally {
      for (const id of ids) underWay.delete(id);
    }
  };
  return async (call, signal) => {
    const { latency_ms, error_share, drop_share, outage } = faults();
    if (outage) return refusal(503, "out of order");
    if (happens(error_share)) return refusal(500, "something went wrong");
    const answer = await bookAfter(latency_ms, call, signal);
    return happens(drop_share) ? undefined : answer;
  };
}

async function book(ledger: Ledger, decision: Decision, call: Call): Promise<Answer> {
  const known = ledger.find(call.operation, call.key);
  if (known && !isOf(known, call)) {
    return refusal(422, "this Idempotency-Key was used for another order, charge or amount");
  }
  const fault = known ? undefined : refundFault(ledger, call);
  if (fault !== undefined) return refusal(422, fault);
  const entry = known ?? entryFor(call, decision);
  if (!known) await ledger.add(entry);
  const { status, charge_id, refund_id, reason } = entry;
  const code = status === "declined" ? 402 : known ? 200 : 201;
  return { status: code, body: { status, charge_id, refund_id, reason } };
}

/** Why a refund is refused; undefined for an allowed refund and for a charge. */
function refundFault(ledger: Ledger, { operation, body }: Call): string | undefined {
  const { charge_id: id, amount_minor, currency } = body;
  if (operation !== "refund" || id === undefined) return undefined;
  const charge = ledger.find("charge", keyOfCharge(id));
  if (charge?.status !== "approved" || charge.charge_id !== id) return "no such charge was made here";
  const before = ledger.refundOf(id);
  if (before !== undefined) return `this charge was refunded under the Idempotency-Key ${before}`;
  if (currency !== charge.currency) return `this charge was made in ${charge.currency}`;
  return amount_minor > charge.amount_minor ? `only ${charge.amount_minor} were charged` : undefined;
}

const isOf = (entry: LedgerEntry, { operation, body }: Call): boolean =>
  entry.amount_minor === body.amount_minor &&
  entry.currency === body.currency &&
  (operation === "charge" ? entry.order_id === body.order_id : entry.charge_id === body.charge_id);

function entryFor({ operation, key, body }: Call, decision: Decision): LedgerEntry {
  const booked = { operation, idempotency_key: key, booked_at: new Date().toISOString() };
  if (operation === "refund") return { ...booked, status: "refunded", refund_id: refundIdFor(key), ...body };
  const charge = decideCharge(key, decision);
  return charge.status === "APPROVED"
    ? { ...booked, status: "approved", charge_id: charge.chargeId, ...body }
    : { ...booked, status: "declined", reason: charge.reason, ...body };
}

const refusal = (status: number, message: string): Answer => ({ status, body: { message } });

const happens = (share: number): boolean => share > 0 && Math.random() < share;
