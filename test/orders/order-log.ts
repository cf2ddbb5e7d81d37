import fc from "fast-check";
import type { EventKind, EventOf, OrderEvent } from "../../src/orders/events.ts";

const lines = [{ sku: "MUG-3", quantity: 2, unitPriceMinor: 420 }];
const total = { amountMinor: 840, currency: "USD" };

/** A valid event with the fields a test is about. */
export function event<K extends EventKind>(
  kind: K,
  orderId: string,
  fields: Partial<EventOf<K>> = {},
): EventOf<K> {
  return { ...plain[kind], orderId, ...fields } as EventOf<K>;
}

const plain: { [K in EventKind]: EventOf<K> } = {
  created: { kind: "created", orderId: "", customerId: "c-1", lines, total, createdAtUs: null },
  payments: { kind: "payments", orderId: "", status: "APPROVED", reason: "", chargeId: "ch-1", total, lines },
  reservations: {
    kind: "reservations",
    orderId: "",
    status: "RESERVED",
    lines,
    missingSkus: [],
    total,
    chargeId: "ch-1",
  },
  shipments: { kind: "shipments", orderId: "", carrier: "post", trackingId: "t-1" },
  refunds: {
    kind: "refunds",
    orderId: "",
    chargeId: "ch-1",
    refundId: "re-1",
    total,
    reason: "out_of_stock",
  },
  notifications: { kind: "notifications", orderId: "", type: "SHIPPED", channel: "email" },
};

/** The three ways an order can go, from its creation to its notification. */
export const ways = {
  SHIPPED: (id: string): OrderEvent[] => [
    event("created", id),
    event("payments", id),
    event("reservations", id),
    event("shipments", id),
    event("notifications", id),
  ],
  DECLINED: (id: string): OrderEvent[] => [
    event("created", id),
    event("payments", id, { status: "DECLINED" }),
    event("notifications", id, { type: "DECLINED" }),
  ],
  REFUNDED: (id: string): OrderEvent[] => [
    event("created", id),
    event("payments", id),
    event("reservations", id, { status: "OUT_OF_STOCK" }),
    event("refunds", id),
    event("notifications", id, { type: "REFUNDED" }),
  ],
};

const anyWay = fc.constantFrom(...Object.values(ways));

/** Logs of orders that all ended as they should, their events mixed as concurrent services mix them. */
export const finishedLog: fc.Arbitrary<OrderEvent[]> = fc
  .tuple(
    fc.array(anyWay, { minLength: 1, maxLength: 6 }),
    fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
  )
  .map(([chosen, picks]) => {
    const waiting = chosen.map((way, index) => way(`order-${index}`));
    const log: OrderEvent[] = [];
    for (let turn = 0; waiting.length > 0; turn++) {
      const index = (picks[turn % picks.length] ?? 0) % waiting.length;
      const next = waiting[index]?.shift();
      if (next) log.push(next);
      else waiting.splice(index, 1);
    }
    return log;
  });
