import type { OrderctlError } from "../../core/errors.ts";
import type { Money } from "../events.ts";

export type Charge = { status: "APPROVED"; chargeId: string } | { status: "DECLINED"; reason: string };

/** Before the order id in the idempotency key of a refund: a charge has the bare id. */
export const refundKeyPrefix = "refund_";

export type Operation = "charge" | "refund";

/** Told once how a call ended; `headers` carry its trace context to the provider, where the call is traced. */
export type WatchedCall = {
  readonly headers?: CallHeaders | undefined;
  end(error?: OrderctlError): void;
};

type CallHeaders = Readonly<Record<string, string>>;

/** Told when a call begins, `attempt` counting from 1 within one charge or refund. */
export type WatchCall = (operation: Operation, attempt: number) => WatchedCall;

/** Told when a call has to wait for a circuit breaker that is open; answers what to call when the wait is over. */
export type WatchHold = (breaker: string) => () => void;

type Call = {
  idempotencyKey: string;
  signal: AbortSignal;
  watch?: WatchCall;
  watchHold?: WatchHold;
  /** Sent along, where the call goes over the network. */
  headers?: CallHeaders | undefined;
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
