import type { EventKind, EventOf, Money, OrderEvent, OrderLine } from "./events.ts";

type Document = Record<string, unknown>;

/** The fields of each kind, named as in the wire contract. */
const documents: { [K in EventKind]: (event: EventOf<K>) => Document } = {
  created: ({ orderId, customerId, total, createdAtUs, lines }) => ({
    order_id: orderId,
    customer_id: customerId,
    ...money(total),
    created_at_us: createdAtUs,
    lines: lines.map(line),
  }),
  payments: ({ orderId, status, reason, chargeId, total, lines }) => ({
    order_id: orderId,
    status,
    reason,
    charge_id: chargeId,
    ...money(total),
    lines: lines.map(line),
  }),
  reservations: ({ orderId, status, missingSkus, chargeId, total, lines }) => ({
    order_id: orderId,
    status,
    missing_skus: missingSkus,
    charge_id: chargeId,
    ...money(total),
    lines: lines.map(line),
  }),
  shipments: ({ orderId, carrier, trackingId }) => ({ order_id: orderId, carrier, tracking_id: trackingId }),
  refunds: ({ orderId, chargeId, refundId, reason, total }) => ({
    order_id: orderId,
    charge_id: chargeId,
    refund_id: refundId,
    reason,
    ...money(total),
  }),
  notifications: ({ orderId, type, channel }) => ({ order_id: orderId, type, channel }),
};

/** The fields of an event, named as in the wire contract. */
export const documentOf = (event: OrderEvent): Document =>
  (documents[event.kind] as (event: OrderEvent) => Document)(event);

const money = ({ amountMinor, currency }: Money): Document => ({ total_minor: amountMinor, currency });

const line = ({ sku, quantity, unitPriceMinor }: OrderLine): Document => ({
  sku,
  quantity,
  unit_price_minor: unitPriceMinor,
});
