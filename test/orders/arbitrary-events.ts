import fc from "fast-check";
import type { EventKind, EventOf, Money, OrderEvent, OrderLine } from "../../src/orders/events.ts";

/** Plain objects, as the codec makes them: fast-check's own may have no prototype. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record<T>(model, { noNullPrototype: true });
const orderId = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const text = fc.string({ unit: "grapheme", maxLength: 40 });
const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const currency = fc.constantFrom("USD", "GBP", "JPY", "KWD");
const total: fc.Arbitrary<Money> = record({ amountMinor: count, currency });
const line: fc.Arbitrary<OrderLine> = record({
  sku: name,
  quantity: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  unitPriceMinor: count,
});
const lines = fc.array(line, { maxLength: 5 });

const worthOf = (each: readonly OrderLine[]): number =>
  each.reduce((sum, { quantity, unitPriceMinor }) => sum + quantity * unitPriceMinor, 0);

/** The total of an order is what its lines are worth; one without lines has any. */
const pricedLines = fc
  .array(record({ sku: name, quantity: fc.integer({ min: 1, max: 10_000 }), unitPriceMinor: fc.nat() }), {
    maxLength: 5,
  })
  .chain((each) => fc.tuple(fc.constant(each), total))
  .map(([each, { amountMinor, currency }]) => ({
    lines: each,
    total: { amountMinor: each.length === 0 ? amountMinor : worthOf(each), currency },
  }));

const eventOfKind: { [K in EventKind]: fc.Arbitrary<EventOf<K>> } = {
  created: fc
    .tuple(
      record({
        kind: fc.constant("created" as const),
        orderId,
        customerId: text,
        createdAtUs: fc.option(count),
      }),
      pricedLines,
    )
    .map(([order, priced]) => ({ ...order, ...priced })),
  payments: record({
    kind: fc.constant("payments"),
    orderId,
    status: fc.constantFrom("APPROVED", "DECLINED"),
    reason: text,
    chargeId: text,
    total,
    lines,
  }),
  reservations: record({
    kind: fc.constant("reservations"),
    orderId,
    status: fc.constantFrom("RESERVED", "OUT_OF_STOCK"),
    lines,
    missingSkus: fc.array(name, { maxLength: 3 }),
    total,
    chargeId: text,
  }),
  shipments: record({ kind: fc.constant("shipments"), orderId, carrier: text, trackingId: text }),
  refunds: record({
    kind: fc.constant("refunds"),
    orderId,
    chargeId: text,
    refundId: text,
    total,
    reason: text,
  }),
  notifications: record({
    kind: fc.constant("notifications"),
    orderId,
    type: fc.constantFrom("SHIPPED", "DECLINED", "REFUNDED"),
    channel: text,
  }),
};

/** Any valid event. */
export const anyEvent: fc.Arbitrary<OrderEvent> = fc.oneof(...Object.values(eventOfKind));
