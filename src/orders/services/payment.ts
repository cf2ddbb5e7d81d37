import { OrderctlError } from "../../core/errors.ts";
import {
  type Handler,
  type HandlerContext,
  nothing,
  type WatchCall,
  type WatchHold,
} from "../../flow/handler.ts";
import type { OrderEvent, PaymentProcessed, StockReserved } from "../events.ts";
import { type PaymentGateway, refundKeyPrefix } from "../gateway/gateway.ts";

/** Charges a created order once: the order id is the idempotency key. */
export const processPayment =
  (gateway: PaymentGateway): Handler<OrderEvent> =>
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

/** Reads the payment of an order from the log; undefined if there is none. */
export type ReadPayment = (orderId: string) => Promise<PaymentProcessed | undefined>;

/**
 * Refunds an approved order that is OUT_OF_STOCK, under an idempotency key of its own. Amount and charge come from the
 * payment, which this service stored itself; the reservation is another service's statement.
 */
export const refundPayment =
  (gateway: PaymentGateway, readPayment: ReadPayment): Handler<OrderEvent> =>
  async (reservation, context) => {
    if (reservation.kind !== "reservations" || reservation.status !== "OUT_OF_STOCK") return nothing;
    const { orderId } = reservation;
    const payment = await readPayment(orderId);
    if (payment?.status !== "APPROVED") throw nothingToRefund(orderId, payment);
    const { total, chargeId } = payment;
    if (chargeId !== reservation.chargeId) throw otherCharge(reservation, chargeId);
    const { refundId } = await gateway.refund({
      chargeId,
      total,
      idempotencyKey: `${refundKeyPrefix}${orderId}`,
      ...callFrom(context),
    });
    return { kind: "refunds", orderId, chargeId, refundId, total, reason: "out_of_stock" };
  };

const nothingToRefund = (orderId: string, payment: PaymentProcessed | undefined): OrderctlError =>
  new OrderctlError(
    "unprocessable",
    `no refund for order ${orderId}: the log ${payment ? `says that its payment was ${payment.status}` : "has no payment of it"}`,
    { source: "message" },
  );

const otherCharge = ({ orderId, chargeId }: StockReserved, charged: string): OrderctlError =>
  new OrderctlError(
    "unprocessable",
    `no refund for order ${orderId}: its reservation names charge ${chargeId}, its payment ${charged}`,
    { source: "message" },
  );

const callFrom = (
  context: HandlerContext<OrderEvent>,
): { signal: AbortSignal; watch: WatchCall; watchHold: WatchHold } => ({
  signal: context.signal,
  watchHold: (breaker) => context.watchHold(breaker),
  watch: (operation, attempt) => context.watchCall(operation, attempt),
});
