import type { Money } from "../orders/events.ts";

export type Charge = { status: "APPROVED"; chargeId: string } | { status: "DECLINED"; reason: string };

export type ChargeRequest = { orderId: string; total: Money; idempotencyKey: string; signal: AbortSignal };

export type RefundRequest = { chargeId: string; total: Money; idempotencyKey: string; signal: AbortSignal };

/**
 * The payment provider, as the payment service needs it. Whoever implements it promises: a second call with the
 * same idempotency key moves no money and answers as the first did; a refusal is an answer (`DECLINED`); an
 * outage, a timeout or a broken answer rejects, and may be called again.
 */
export type PaymentGateway = {
  charge(request: ChargeRequest): Promise<Charge>;
  refund(request: RefundRequest): Promise<{ refundId: string }>;
};
