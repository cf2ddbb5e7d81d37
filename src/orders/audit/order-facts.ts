import type { EventKind, OrderEvent } from "../events.ts";
import type { AuditRule } from "./rules.ts";

/** What can be known about an order, one bit each, so that a million orders fit in a map of small integers. */
export const fact = {
  created: 1,
  approved: 2,
  declined: 4,
  reserved: 8,
  outOfStock: 16,
  shipped: 32,
  refunded: 64,
  notified: 128,
  /** Booked by the gateway. */
  charged: 256,
  repaid: 512,
} as const;

/** Of an order whose customer was not told how it ended: what it waits for. */
export function whatIsMissing(facts: number): string {
  const hasAny = (wanted: number) => (facts & wanted) !== 0;
  if (hasAny(fact.shipped | fact.refunded | fact.declined))
    return "the customer was never told how the order ended";
  if (hasAny(fact.reserved)) return "reserved, and waiting for shipping";
  if (hasAny(fact.outOfStock)) return "out of stock, and waiting for the refund";
  return hasAny(fact.approved) ? "paid, and waiting for inventory" : "waiting for payment";
}

/** The facts that only one event of each kind may establish. */
export const factsOfKind: Record<EventKind, number> = {
  created: fact.created,
  payments: fact.approved | fact.declined,
  reservations: fact.reserved | fact.outOfStock,
  shipments: fact.shipped,
  refunds: fact.refunded,
  notifications: fact.notified,
};

/** The fact an event establishes, the facts it needs before it, and the rule it breaks without them. */
export type Step = { gives: number; needs: number; rule: AuditRule; cause: string };

const byPayment: Record<"APPROVED" | "DECLINED", Step> = {
  APPROVED: { gives: fact.approved, needs: fact.created, rule: "missing_cause", cause: "a created order" },
  DECLINED: { gives: fact.declined, needs: fact.created, rule: "missing_cause", cause: "a created order" },
};
const byReservation: Record<"RESERVED" | "OUT_OF_STOCK", Step> = {
  RESERVED: {
    gives: fact.reserved,
    needs: fact.approved,
    rule: "missing_cause",
    cause: "an APPROVED payment",
  },
  OUT_OF_STOCK: {
    gives: fact.outOfStock,
    needs: fact.approved,
    rule: "missing_cause",
    cause: "an APPROVED payment",
  },
};
const byNotification: Record<"SHIPPED" | "DECLINED" | "REFUNDED", Step> = {
  SHIPPED: { gives: fact.notified, needs: fact.shipped, rule: "missing_cause", cause: "a shipment" },
  DECLINED: {
    gives: fact.notified,
    needs: fact.declined,
    rule: "missing_cause",
    cause: "a DECLINED payment",
  },
  REFUNDED: { gives: fact.notified, needs: fact.refunded, rule: "missing_cause", cause: "a refund" },
};
const created: Step = { gives: fact.created, needs: 0, rule: "missing_cause", cause: "" };
const shipped: Step = {
  gives: fact.shipped,
  needs: fact.reserved,
  rule: "shipment_mismatch",
  cause: "RESERVED stock",
};
const refunded: Step = {
  gives: fact.refunded,
  needs: fact.approved | fact.outOfStock,
  rule: "refund_mismatch",
  cause: "an APPROVED payment that met OUT_OF_STOCK",
};

export function stepOf(event: OrderEvent): Step {
  switch (event.kind) {
    case "created":
      return created;
    case "payments":
      return byPayment[event.status];
    case "reservations":
      return byReservation[event.status];
    case "shipments":
      return shipped;
    case "refunds":
      return refunded;
    case "notifications":
      return byNotification[event.type];
  }
}
