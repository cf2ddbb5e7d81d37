import type { AuditRule as FlowRule } from "../../flow/audit-contract.ts";

const rules = [
  {
    // A created order has no notification although its time is over.
    name: "not_notified",
    promise: "every order ended with a notification",
    broken: "not notified",
    isLateness: true,
  },
  {
    // Two events of the same kind for one order.
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
    // A charge or refund that only the gateway or only the log has, or two of them for one order.
    name: "charge_mismatch",
    promise: "one charge for each paid order and one repayment for each refund, at the gateway",
    broken: "gateway and log differ",
    onlyWith: "booked",
    leftOut: { count: "bookedArchived", noun: "booking", why: "of archived orders not compared: --all does" },
  },
  {
    // More units of a SKU reserved than were ever stocked.
    name: "oversold",
    promise: "no SKU oversold",
    broken: "oversold",
    checkedOf: { count: "skus", else: "not checked, nobody keeps stock here" },
  },
  {
    // A message in the log that is not a valid event, or a stock entry that cannot be read.
    name: "unreadable",
    promise: "every message is a valid event",
    broken: "not readable",
  },
] as const satisfies readonly FlowRule[];

/** The rules for orders, in the order in which people are shown them. */
export const auditRules: readonly FlowRule[] = rules;

export type AuditRule = (typeof rules)[number]["name"];

/** The names of the rules, in the order in which reports count violations. */
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
