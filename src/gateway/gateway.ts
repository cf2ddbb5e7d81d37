import type { OrderctlError } from "../errors.ts";
import type { Money } from "../orders/events.ts";

export type Charge = { status: "APPROVED"; chargeId: string } | { status: "DECLINED"; reason: string };

export type Operation = "charge" | "refund";

/** Told once how a call ended. */
export type WatchedCall = { end(error?: OrderctlError): void };

/** Told when a call begins, `attempt` counting from 1 within one charge or refund. */
export type WatchCall = (operation: Operation, attempt: number) => WatchedCall;

type Call = { idempotencyKey: string; signal: AbortSignal; watch?: WatchCall };

export type ChargeRequest = Call & { orderId: string; total: Money };

export type RefundRequest = Call & { chargeId: string; total: Money };

/**
 * The payment provider, as the payment service needs it. Whoever implements it promises: a second call with the
 * same idempotency key moves no money and answers as the first did; a refusal is an answer (`DECLINED`); an
 * outage, a timeout or a broken answer rejects, and may be called again.
 */
export type PaymentGateway = {
  charge(request: ChargeRequest): Promise<Charge>;
  refund(request: RefundRequest): Promise<{ refundId: string }>;
};
