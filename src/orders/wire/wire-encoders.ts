import { orderctl } from "#wire";
import type { EventKind, EventOf } from "../events.ts";
import { toMajor } from "../money.ts";
import { notificationType, paymentStatus, reservationStatus } from "./wire-enums.ts";

const wire = orderctl.orders.v1;

type Encoders = { [K in EventKind]: (event: EventOf<K>) => Uint8Array };

/** How each kind of event is written. The event is valid: `encodeEvent` has looked. */
export const encoders: Encoders = {
  created: ({ orderId, customerId, total, lines, createdAtUs }) =>
    wire.OrderCreated.encode({
      orderId,
      customerId,
      totalAmount: toMajor(total),
      currency: total.currency,
      totalMinor: total.amountMinor,
      lines,
      createdAtUs,
    }).finish(),
  payments: ({ orderId, status, reason, chargeId, total, lines }) =>
    wire.PaymentProcessed.encode({
      orderId,
      status: paymentStatus.toWire[status],
      reason,
      chargeId,
      currency: total.currency,
      totalMinor: total.amountMinor,
      lines,
    }).finish(),
  reservations: ({ orderId, status, lines, missingSkus, total, chargeId }) =>
    wire.StockReserved.encode({
      orderId,
      status: reservationStatus.toWire[status],
      lines,
      missingSkus,
      currency: total.currency,
      totalMinor: total.amountMinor,
      chargeId,
    }).finish(),
  shipments: (event) => wire.ShipmentBooked.encode(event).finish(),
  refunds: ({ orderId, chargeId, refundId, total, reason }) =>
    wire.PaymentRefunded.encode({
      orderId,
      chargeId,
      refundId,
      currency: total.currency,
      totalMinor: total.amountMinor,
      reason,
    }).finish(),
  notifications: ({ orderId, type, channel }) =>
    wire.CustomerNotified.encode({ orderId, type: notificationType.toWire[type], channel }).finish(),
};
