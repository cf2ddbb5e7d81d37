import { orderctl } from "#wire";
import type { EventKind, EventOf, Money, OrderLine } from "../events.ts";
import { defaultCurrency, doubleToMinor } from "../money.ts";
import { notificationType, paymentStatus, reservationStatus } from "./wire-enums.ts";

const wire = orderctl.orders.v1;

type Decoders = { [K in EventKind]: (payload: Uint8Array) => EventOf<K> };
/** 64-bit integers arrive as a number or a Long. Past this file they are numbers; `findEventFault` refuses unsafe ones. */
type WireInteger = number | { toNumber(): number } | null | undefined;

/** How each kind of event is read. Throws any error; what is read may still be invalid: `decodeEvent` looks. */
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
