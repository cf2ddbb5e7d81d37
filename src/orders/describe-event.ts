import type { EventColumn, Outcome, Total } from "../flow/flow.ts";
import type { EventKind, EventOf, Money, OrderCreated, OrderEvent, OrderLine } from "./events.ts";
import { formatMoney } from "./money.ts";

type Document = Record<string, unknown>;

/** How events of one kind are presented to people, in the order API and in JSON output. */
type Telling<E> = {
  /** The outcome, in the wire contract's word, and the one detail worth adding; empty if there is none. */
  says(event: E): [outcome: string, detail: string];
  /** Word between outcome and detail in a phrase, if the kind needs one. */
  joins?: "by";
  /** Fields that the order API tells of the event, besides kind, sequence and time. */
  facts(event: E): Document;
  /** All fields, named as in the wire contract. */
  document(event: E): Document;
};

const tellings: { [K in EventKind]: Telling<EventOf<K>> } = {
  created: {
    says: (event) => ["CREATED", [...linesOf(event), formatMoney(event.total)].join(", ")],
    facts: ({ customerId }) => ({ customer_id: customerId }),
    document: ({ orderId, customerId, total, createdAtUs, lines }) => ({
      order_id: orderId,
      customer_id: customerId,
      ...money(total),
      created_at_us: createdAtUs,
      lines: lines.map(line),
    }),
  },
  payments: {
    says: ({ status, reason }) => [status, reason],
    facts: ({ status, reason, chargeId }) => ({ status, reason, charge_id: chargeId }),
    document: ({ orderId, status, reason, chargeId, total, lines }) => ({
      order_id: orderId,
      status,
      reason,
      charge_id: chargeId,
      ...money(total),
      lines: lines.map(line),
    }),
  },
  reservations: {
    says: ({ status, missingSkus }) => [status, firstOf(missingSkus)],
    facts: ({ status, missingSkus }) => ({ status, missing_skus: missingSkus }),
    document: ({ orderId, status, missingSkus, chargeId, total, lines }) => ({
      order_id: orderId,
      status,
      missing_skus: missingSkus,
      charge_id: chargeId,
      ...money(total),
      lines: lines.map(line),
    }),
  },
  shipments: {
    says: ({ carrier }) => ["SHIPPED", carrier],
    joins: "by",
    facts: ({ carrier, trackingId }) => ({ carrier, tracking_id: trackingId }),
    document: ({ orderId, carrier, trackingId }) => ({ order_id: orderId, carrier, tracking_id: trackingId }),
  },
  refunds: {
    says: ({ total }) => ["REFUNDED", formatMoney(total)],
    facts: ({ refundId, reason }) => ({ refund_id: refundId, reason }),
    document: ({ orderId, chargeId, refundId, reason, total }) => ({
      order_id: orderId,
      charge_id: chargeId,
      refund_id: refundId,
      reason,
      ...money(total),
    }),
  },
  notifications: {
    says: ({ type, channel }) => [type, channel],
    joins: "by",
    facts: ({ type, channel }) => ({ type, channel }),
    document: ({ orderId, type, channel }) => ({ order_id: orderId, type, channel }),
  },
};

const tellingOf = (kind: EventKind): Telling<OrderEvent> => tellings[kind] as Telling<OrderEvent>;

export function describeEvent(event: OrderEvent): Outcome {
  const [outcome, detail] = tellingOf(event.kind).says(event);
  return { outcome, detail: detail === "" ? null : detail };
}

/** An outcome in one phrase: `SHIPPED by post`. */
export function phraseOf(kind: EventKind, { outcome, detail }: Outcome): string {
  if (kind === "created") return detail ?? "";
  if (detail === null) return outcome;
  return [outcome, tellingOf(kind).joins, detail].filter(Boolean).join(" ");
}

export const documentOf = (event: OrderEvent): Document => tellingOf(event.kind).document(event);

export const factsOf = (event: OrderEvent): Document => tellingOf(event.kind).facts(event);

export function totalOf(event: OrderEvent): Total | undefined {
  return "total" in event ? { ...event.total, text: formatMoney(event.total) } : undefined;
}

/** What the archive has of orders in columns of its own; `skus` has each SKU of an order once, in its lines' order. */
export const archiveColumns = {
  customer_id: { text: (event) => ("customerId" in event ? event.customerId : undefined) },
  skus: {
    list: (event) => ("lines" in event ? [...new Set(event.lines.map(({ sku }) => sku))] : undefined),
  },
} as const satisfies Record<string, EventColumn<OrderEvent>>;

const linesOf = ({ lines: { length } }: OrderCreated): string[] =>
  length === 0 ? [] : [length === 1 ? "1 line" : `${length} lines`];

const firstOf = ([first = "", ...more]: readonly string[]): string =>
  more.length === 0 ? first : `${first} +${more.length}`;

const money = ({ amountMinor, currency }: Money): Document => ({ total_minor: amountMinor, currency });

const line = ({ sku, quantity, unitPriceMinor }: OrderLine): Document => ({
  sku,
  quantity,
  unit_price_minor: unitPriceMinor,
});
