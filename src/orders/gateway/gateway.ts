import type { WatchCall, WatchHold } from "../../flow/handler.ts";
import type { Money } from "../events.ts";

export type Charge = { status: "APPROVED"; chargeId: string } | { status: "DECLINED"; reason: string };

/** Prefix of the order id in the idempotency key of a refund: the key of a charge is the order id alone. */
export const refundKeyPrefix = "refund_";

export type Operation = "charge" | "refund";

type Call = {
  idempotencyKey: string;
  signal: AbortSignal;
  watch?: WatchCall;
  watchHold?: WatchHold;
  /** Headers to send if the call goes over the network. */
  headers?: Readonly<Record<string, string>> | undefined;
};

export type ChargeRequest = Call & { orderId: string; total: Money };

export type RefundRequest = Call & { chargeId: string; total: Money };

/**
 * The payment provider, as the payment service needs it. An implementation promises: a second call with the same
 * idempotency key moves no money and gets the first answer again; a refusal is an answer (`DECLINED`); an outage, a
 * timeout or an invalid answer rejects, and the call may be repeated. It rejects with `conflict` if the provider works
 * but does not accept this request.
 */
export type PaymentGateway = {
  charge(request: ChargeRequest): Promise<Charge>;
  refund(request: RefundRequest): Promise<{ refundId: string }>;
};
