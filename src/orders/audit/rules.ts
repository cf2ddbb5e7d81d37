import type { AuditRule as FlowRule } from "../../flow/auditor.ts";

const rules = [
  {
    // A created order has no notification, and had its time.
    name: "not_notified",
    promise: "every order ended with a notification",
    broken: "not notified",
    isLateness: true,
  },
  {
    // A second event of a kind for an order.
    name: "duplicate_event",
    promise: "no event of a kind twice for an order",
    broken: "second event",
    isSurplus: true,
  },
  {
    // An event whose cause is not in the log before it.
    name: "missing_cause",
    promise: "no event without its cause",
    broken: "no cause",
  },
  {
    // A shipment without RESERVED stock, or RESERVED stock that was never shipped.
    name: "shipment_mismatch",
    promise: "a shipment exactly where stock was reserved",
    broken: "shipment and stock differ",
  },
  {
    // A refund where no APPROVED payment met OUT_OF_STOCK, or none where one did.
    name: "refund_mismatch",
    promise: "a refund exactly where a paid order met an empty shelf",
    broken: "refund and payment differ",
  },
  {
    // A payment of another amount than its order is worth, or a refund of another amount or charge than was paid.
    name: "amount_mismatch",
    promise: "each payment of what its order is worth, each refund of what was paid",
    broken: "amount differs",
  },
  {
    // A charge or refund of the gateway that the log does not know of, or the other way round, or two for an order.
    name: "charge_mismatch",
    promise: "one charge for each paid order and one repayment for each refund, at the gateway",
    broken: "gateway and log differ",
    onlyWith: "booked",
  },
  {
    // More units of a SKU reserved than were ever stocked.
    name: "oversold",
    promise: "no SKU oversold",
    broken: "oversold",
    checkedOf: { count: "skus", else: "not checked, nobody keeps stock here" },
  },
  {
    // A message in the log that is no event.
    name: "unreadable",
    promise: "every message is a valid event",
    broken: "not readable",
  },
] as const satisfies readonly FlowRule[];

/** What is promised of orders, in the order in which it is told. */
export const auditRules: readonly FlowRule[] = rules;

export type AuditRule = (typeof rules)[number]["name"];

/** The names, in the order in which reports count them. */
export const countedRules: readonly AuditRule[] = [
  "not_notified",
  "shipment_mismatch",
  "refund_mismatch",
  "missing_cause",
  "duplicate_event",
  "amount_mismatch",
  "charge_mismatch",
  "oversold",
  "unreadable",
];
