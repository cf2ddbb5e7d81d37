import type { WatchCall, WatchHold } from "../../flow/handler.ts";
import type { Money } from "../events.ts";

export type Charge = { status: "APPROVED"; chargeId: string } | { status: "DECLINED"; reason: string };

/** Before the order id in the idempotency key of a refund: a charge has the bare id. */
export const refundKeyPrefix = "refund_";

export type Operation = "charge" | "refund";

type Call = {
  idempotencyKey: string;
  signal: AbortSignal;
  watch?: WatchCall;
  watchHold?: WatchHold;
  /** Sent along, where the call goes over the network. */
  headers?: Readonly<Record<string, string>> | undefined;
};

export type ChargeRequest = Call & { orderId: string; total: Money };

export type RefundRequest = Call & { chargeId: string; total: Money };

/**
 * The payment provider, as the payment service needs it. Whoever implements it promises: a second call with the
 * same idempotency key moves no money and answers as the first did; a refusal is an answer (`DECLINED`); an
 * outage, a timeout or a broken answer rejects, and may be called again. It rejects with `conflict` where the provider
 * works but will not have this request.
 */
export type PaymentGateway = {
  charge(request: ChargeRequest): Promise<Charge>;
  refund(request: RefundRequest): Promise<{ refundId: string }>;
};
