import { OrderctlError } from "../core/errors.ts";
import { isoTime } from "../core/iso-time.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import type { EventKind, EventOf, Money, OrderEvent, OrderLine } from "../orders/events.ts";
import { decodeEvent } from "../orders/wire/codec.ts";
import { logSubject } from "./subject.ts";

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

/**
 * A message as one JSON object. A created order is what `publish order --file` reads, and no more; another event says
 * what and where it is as well. What is no event has its payload in base64, and `reason` says why.
 */
export function replayDocument(message: StreamMessage): { document: Document; isEvent: boolean } {
  const { subject, sequence, storedAtUs, payload } = message;
  const place = { subject, sequence, stored_at: isoTime(storedAtUs) };
  try {
    const event = decodeEvent(logSubject(subject), payload);
    const fields = (documents[event.kind] as (event: OrderEvent) => Document)(event);
    const document = event.kind === "created" ? fields : { ...place, kind: event.kind, ...fields };
    return { document, isEvent: true };
  } catch (thrown) {
    const reason = OrderctlError.from(thrown).message;
    const base64 = Buffer.from(payload).toString("base64");
    return { document: { ...place, kind: null, reason, payload_base64: base64 }, isEvent: false };
  }
}

const money = ({ amountMinor, currency }: Money): Document => ({ total_minor: amountMinor, currency });

const line = ({ sku, quantity, unitPriceMinor }: OrderLine): Document => ({
  sku,
  quantity,
  unit_price_minor: unitPriceMinor,
});
