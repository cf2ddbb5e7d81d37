import { orderctl } from "#wire";
import { OrderctlError } from "../../core/errors.ts";
import type { EventKind, EventOf, Money, OrderLine } from "../events.ts";
import { defaultCurrency, doubleToMinor, toMajor } from "../money.ts";

const wire = orderctl.orders.v1;

export const paymentStatus = wireEnum("status", {
  APPROVED: wire.PaymentStatus.PAYMENT_STATUS_APPROVED,
  DECLINED: wire.PaymentStatus.PAYMENT_STATUS_DECLINED,
});
export const reservationStatus = wireEnum("status", {
  RESERVED: wire.ReservationStatus.RESERVATION_STATUS_RESERVED,
  OUT_OF_STOCK: wire.ReservationStatus.RESERVATION_STATUS_OUT_OF_STOCK,
});
export const notificationType = wireEnum("type", {
  SHIPPED: wire.NotificationType.NOTIFICATION_TYPE_SHIPPED,
  DECLINED: wire.NotificationType.NOTIFICATION_TYPE_DECLINED,
  REFUNDED: wire.NotificationType.NOTIFICATION_TYPE_REFUNDED,
});

/** Maps an enum's names to wire numbers and back; an unspecified or unknown number throws `bad_message`. */
function wireEnum<Name extends string, Value extends number>(field: string, toWire: Record<Name, Value>) {
  const names = new Map<number, Name>(
    Object.entries(toWire).map(([name, value]) => [value as Value, name as Name]),
  );
  const fromWire = (value: number): Name => {
    const name = names.get(value);
    if (name === undefined)
      throw new OrderctlError("bad_message", `${field} ${value} is unspecified or unknown`);
    return name;
  };
  return { toWire, fromWire };
}

type Decoders = { [K in EventKind]: (payload: Uint8Array) => EventOf<K> };
/**
 * protobufjs decodes 64-bit integers to a number or a Long. The decoders convert both to numbers; `findEventFault`
 * refuses unsafe ones.
 */
type WireInteger = number | { toNumber(): number } | null | undefined;

/** Decodes each kind of event. May throw any error, and may return an invalid event: `decodeEvent` handles both. */
export const decoders: Decoders = {
  created: (payload) => {
    const message = wire.OrderCreated.decode(payload);
    return {
      kind: "created",
      orderId: message.orderId,
      customerId: message.customerId,
      lines: message.lines.map(toLine),
      total:
        message.totalMinor == null
          ? {
              amountMinor: doubleToMinor(message.totalAmount, currencyOf(message)),
              currency: currencyOf(message),
            }
          : toMoney(message),
      createdAtUs: message.createdAtUs == null ? null : toNumber(message.createdAtUs),
    };
  },
  payments: (payload) => {
    const message = wire.PaymentProcessed.decode(payload);
    return {
      kind: "payments",
      orderId: message.orderId,
      status: paymentStatus.fromWire(message.status),
      reason: message.reason,
      chargeId: message.chargeId,
      total: toMoney(message),
      lines: message.lines.map(toLine),
    };
  },
  reservations: (payload) => {
    const message = wire.StockReserved.decode(payload);
    return {
      kind: "reservations",
      orderId: message.orderId,
      status: reservationStatus.fromWire(message.status),
      lines: message.lines.map(toLine),
      missingSkus: message.missingSkus,
      total: toMoney(message),
      chargeId: message.chargeId,
    };
  },
  shipments: (payload) => {
    const { orderId, carrier, trackingId } = wire.ShipmentBooked.decode(payload);
    return { kind: "shipments", orderId, carrier, trackingId };
  },
  refunds: (payload) => {
    const message = wire.PaymentRefunded.decode(payload);
    const { orderId, chargeId, refundId, reason } = message;
    return { kind: "refunds", orderId, chargeId, refundId, total: toMoney(message), reason };
  },
  notifications: (payload) => {
    const { orderId, type, channel } = wire.CustomerNotified.decode(payload);
    return { kind: "notifications", orderId, type: notificationType.fromWire(type), channel };
  },
};

type WireLine = { sku?: string | null; quantity?: number | null; unitPriceMinor?: WireInteger };

const toLine = (line: WireLine): OrderLine => ({
  sku: line.sku ?? "",
  quantity: line.quantity ?? 0,
  unitPriceMinor: toNumber(line.unitPriceMinor),
});

const currencyOf = (message: { currency: string }): string => message.currency || defaultCurrency;

const toMoney = (message: { currency: string; totalMinor?: WireInteger }): Money => ({
  amountMinor: toNumber(message.totalMinor),
  currency: currencyOf(message),
});

function toNumber(value: WireInteger): number {
  if (typeof value === "number") return value;
  return value?.toNumber() ?? 0;
}

type Encoders = { [K in EventKind]: (event: EventOf<K>) => Uint8Array };

/** Encodes each kind of event; `encodeEvent` has checked that the event is valid. */
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
