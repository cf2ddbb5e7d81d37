import { describe, expect, test } from "vitest";
import type { AuditReport } from "../../src/flow/audit-contract.ts";
import { createAuditor } from "../../src/orders/audit/auditor.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import { event, ways } from "../orders/order-log.ts";
import { audit, later } from "./audit-log.ts";

const broken = (report: AuditReport) =>
  report.offenders.map(({ rule, orderId, sequence }) => [rule, orderId, sequence]);

const shipped = ways.SHIPPED("o-1");
const refunded = ways.REFUNDED("o-1");
const declined = ways.DECLINED("o-1");
const without = (log: readonly OrderEvent[], kind: string) => log.filter((event) => event.kind !== kind);

describe("a correct log", () => {
  test("passes, with its orders and outcomes counted", () => {
    const log = [...ways.SHIPPED("a"), ...ways.DECLINED("b"), ...ways.REFUNDED("c"), ...ways.SHIPPED("d")];
    expect(audit(log)).toMatchObject({
      verdict: "PASS",
      orders: 4,
      ended: 4,
      underWay: 0,
      events: 18,
      outcomes: { SHIPPED: 2, DECLINED: 1, REFUNDED: 1 },
      offences: 0,
      offenders: [],
    });
  });

  test("passes if it is empty", () => {
    expect(audit([]).verdict).toBe("PASS");
  });
});

describe("a log with one thing wrong", () => {
  test.each([
    ["an order nobody was notified of", without(shipped, "notifications"), [["not_notified", "o-1", null]]],
    ["a shipment without a reservation", without(shipped, "reservations"), [["shipment_mismatch", "o-1", 3]]],
    [
      "a shipment though stock was out",
      refunded.toSpliced(3, 1, event("shipments", "o-1"), event("refunds", "o-1")),
      [["shipment_mismatch", "o-1", 4]],
    ],
    [
      "reserved stock that never shipped",
      without(shipped, "shipments"),
      [
        ["missing_cause", "o-1", 4],
        ["shipment_mismatch", "o-1", null],
      ],
    ],
    [
      "a refund that never came",
      without(refunded, "refunds"),
      [
        ["missing_cause", "o-1", 4],
        ["refund_mismatch", "o-1", null],
      ],
    ],
    ["a refund of what was shipped", [...shipped, event("refunds", "o-1")], [["refund_mismatch", "o-1", 6]]],
    [
      "a refund of what was declined",
      [...declined, event("refunds", "o-1")],
      [["refund_mismatch", "o-1", 4]],
    ],
    ["a payment without an order", without(shipped, "created"), [["missing_cause", "o-1", 1]]],
    ["stock reserved without a payment", without(shipped, "payments"), [["missing_cause", "o-1", 2]]],
    [
      "stock reserved after a declined payment",
      declined.toSpliced(2, 0, event("reservations", "o-1", { status: "OUT_OF_STOCK" })),
      [["missing_cause", "o-1", 3]],
    ],
    [
      "a notification of the wrong kind",
      declined.with(2, event("notifications", "o-1", { type: "REFUNDED" })),
      [["missing_cause", "o-1", 3]],
    ],
    [
      "a second payment with another answer",
      shipped.toSpliced(2, 0, event("payments", "o-1", { status: "DECLINED" })),
      [["duplicate_event", "o-1", 3]],
    ],
    [
      "a payment of less than the order is worth",
      shipped.with(1, event("payments", "o-1", { total: { amountMinor: 1, currency: "USD" } })),
      [["amount_mismatch", "o-1", 2]],
    ],
    [
      "a payment in another currency",
      shipped.with(1, event("payments", "o-1", { total: { amountMinor: 840, currency: "EUR" } })),
      [["amount_mismatch", "o-1", 2]],
    ],
    [
      "a refund of more than was paid",
      refunded.with(3, event("refunds", "o-1", { total: { amountMinor: 84_000, currency: "USD" } })),
      [["amount_mismatch", "o-1", 4]],
    ],
    [
      "a refund of another charge",
      refunded.with(3, event("refunds", "o-1", { chargeId: "ch-2" })),
      [["amount_mismatch", "o-1", 4]],
    ],
    ["a second notification", [...shipped, event("notifications", "o-1")], [["duplicate_event", "o-1", 6]]],
    [
      "an effect stored before its cause",
      shipped.with(0, event("payments", "o-1")).with(1, event("created", "o-1")),
      [["missing_cause", "o-1", 1]],
    ],
  ])("names the rule: %s", (_, log, offenders) => {
    const report = audit(log);
    expect(broken(report)).toEqual(offenders);
    expect(report).toMatchObject({ verdict: "FAIL", offences: offenders.length });
  });
});

describe("an order without a notification", () => {
  const log = without(shipped, "notifications");

  test("is under way, not an offence, while it is younger than the grace period", () => {
    expect(audit(log, { nowMs: 29_999, graceMs: 30_000 })).toMatchObject({
      verdict: "PASS",
      orders: 1,
      ended: 0,
      underWay: 1,
    });
  });

  test("is an offence from then on", () => {
    expect(audit(log, { nowMs: 30_000, graceMs: 30_000 })).toMatchObject({
      verdict: "FAIL",
      underWay: 0,
      ended: 0,
    });
  });

  test("is no proof of anything where it was stored later than it is now, but for clocks that differ a little", () => {
    const ahead = (byMs: number) => audit(log, { nowMs: -byMs, graceMs: 30_000 });
    expect(ahead(29_000)).toMatchObject({ verdict: "PASS", underWay: 1 });
    const [late] = ahead(365 * 24 * 3_600_000).offenders;
    expect(late).toMatchObject({ rule: "not_notified" });
    expect(late?.detail).toMatch(/: stored later than it is now by the broker's clock, which was set back$/);
  });

  test("may wait for its shipment and its refund as long", () => {
    const young = { nowMs: 10, graceMs: 1000 };
    expect(audit(shipped.slice(0, 3), young).verdict).toBe("PASS");
    expect(audit(refunded.slice(0, 3), young).verdict).toBe("PASS");
    const missing = (events: Parameters<typeof audit>[0]) => audit(events).offenders[0]?.detail;
    expect([1, 2, 3, 4].map((seen) => missing(shipped.slice(0, seen)))).toEqual([
      "waiting for payment",
      "paid, and waiting for inventory",
      "reserved, and waiting for shipping",
      "the customer was never told how the order ended",
    ]);
    expect(audit(shipped.slice(0, 3)).violations).toMatchObject({ not_notified: 1, shipment_mismatch: 1 });
    expect(audit(refunded.slice(0, 3)).violations).toMatchObject({ not_notified: 1, refund_mismatch: 1 });
  });
});

describe("stock", () => {
  const log = [...ways.SHIPPED("a"), ...ways.SHIPPED("b"), ...ways.REFUNDED("c")];

  test("may be reserved to the last unit", () => {
    expect(audit(log, { ...later, stock: new Map([["MUG-3", 4]]) }).verdict).toBe("PASS");
  });

  test("is oversold from one unit more on", () => {
    expect(audit(log, { ...later, stock: new Map([["MUG-3", 3]]) }).offenders).toEqual([
      {
        rule: "oversold",
        orderId: null,
        sku: "MUG-3",
        sequence: null,
        detail: "4 units reserved, 3 ever stocked",
      },
    ]);
  });

  test("is not judged where nobody knows what was stocked", () => {
    expect(audit(log, { ...later, stock: new Map([["LAMP-1", 0]]) }).verdict).toBe("PASS");
  });
});

test("a message that is no event is an offence, with the order its subject names", () => {
  const auditor = createAuditor();
  auditor.addUnreadable("ORDERS.payments.o-7", "not readable", 12);
  auditor.addUnreadable("ORDERS.other", "no subject of the log", 13);
  expect(broken(auditor.finish(later))).toEqual([
    ["unreadable", "o-7", 12],
    ["unreadable", null, 13],
  ]);
});

test("all violations are counted, the first are listed", () => {
  const auditor = createAuditor({ maxOffenders: 3 });
  for (let index = 0; index < 10; index++) auditor.add(event("payments", `o-${index}`), index, 0);
  const report = auditor.finish(later);
  expect(report.offenders).toHaveLength(3);
  expect(report).toMatchObject({ offences: 10, violations: { missing_cause: 10 } });
});
