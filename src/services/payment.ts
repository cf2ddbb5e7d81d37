import { type PaymentGateway, refundKeyPrefix, type WatchCall, type WatchHold } from "../gateway/gateway.ts";
import { type Handler, type HandlerContext, nothing } from "./handler.ts";

/** Charges a created order, once: the order id is the idempotency key. */
export const processPayment =
  (gateway: PaymentGateway): Handler =>
  async (created, context) => {
    if (created.kind !== "created") return nothing;
    const { orderId, total, lines } = created;
    const charge = await gateway.charge({ orderId, total, idempotencyKey: orderId, ...callFrom(context) });
    const declined = charge.status === "DECLINED";
    return {
      kind: "payments",
      orderId,
      status: charge.status,
      reason: declined ? charge.reason : "",
      chargeId: declined ? "" : charge.chargeId,
      total,
      lines,
    };
  };

/** Gives the money back where an approved order met an empty shelf; its own idempotency key. */
export const refundPayment =
  (gateway: PaymentGateway): Handler =>
  async (reservation, context) => {
    if (reservation.kind !== "reservations" || reservation.status !== "OUT_OF_STOCK") return nothing;
    const { orderId, total, chargeId } = reservation;
    const { refundId } = await gateway.refund({
      chargeId,
      total,
      idempotencyKey: `${refundKeyPrefix}${orderId}`,
      ...callFrom(context),
    });
    return { kind: "refunds", orderId, chargeId, refundId, total, reason: "out_of_stock" };
  };

const callFrom = (
  context: HandlerContext,
): { signal: AbortSignal; watch: WatchCall; watchHold: WatchHold } => ({
  signal: context.signal,
  watchHold: (breaker) => context.watchHold(breaker),
  watch: (operation, attempt) => context.watchCall(operation, attempt),
});
