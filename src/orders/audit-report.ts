import type { CustomerNotified } from "./events.ts";

/** The promises an audit checks, each by the name its violations are counted under. */
export const auditRules = [
  /** A created order has no notification, and had its time. */
  "not_notified",
  /** A shipment without RESERVED stock, or RESERVED stock that was never shipped. */
  "shipment_mismatch",
  /** A refund where no APPROVED payment met OUT_OF_STOCK, or none where one did. */
  "refund_mismatch",
  /** An event whose cause is not in the log before it. */
  "missing_cause",
  /** A second event of a kind for an order. */
  "duplicate_event",
  /** A payment of another amount than its order is worth, or a refund of another amount or charge than was paid. */
  "amount_mismatch",
  /** A charge or refund of the gateway that the log does not know of, or the other way round, or two for an order. */
  "charge_mismatch",
  /** More units of a SKU reserved than were ever stocked. */
  "oversold",
  /** A message in the log that is no event. */
  "unreadable",
] as const;

export type AuditRule = (typeof auditRules)[number];

/** One violation. `sequence` is that of the offending message; `null` where something is absent instead. */
export type Offender = {
  rule: AuditRule;
  orderId: string | null;
  sku: string | null;
  sequence: number | null;
  detail: string;
};

export type AuditReport = {
  verdict: "PASS" | "FAIL";
  /** Orders created; of them `ended` were notified and `underWay` are younger than the grace period. */
  orders: number;
  ended: number;
  underWay: number;
  /** Events read, without the unreadable. */
  events: number;
  outcomes: Record<CustomerNotified["type"], number>;
  violations: Record<AuditRule, number>;
  /** All violations together; `offenders` lists the first of them. */
  offences: number;
  offenders: Offender[];
};
