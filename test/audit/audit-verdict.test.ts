import { describe, expect, it } from "vitest";
import type { LogAudit } from "../../src/audit/audit-log.ts";
import { auditVerdict } from "../../src/audit/audit-verdict.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import { event, ways } from "../orders/order-log.ts";
import { audit } from "./audit-log.ts";

const narrow = { colour: false, width: 80, unicode: true };
const id = "0197f3c2-8a41-7c3e-9d55-0242ac120002";

const good = [...ways.SHIPPED("a"), ...ways.DECLINED("b"), ...ways.REFUNDED("c")];
const stock = (units: number) => new Map([["MUG-3", units]]);

const auditOf = (log: OrderEvent[], units = 100, nowMs = 1_000_000): LogAudit => ({
  ...audit(log, { nowMs, graceMs: 30_000, stock: stock(units) }),
  ...{ archivedFrom: 0, archivedTo: 0, archivedUntil: null, archivedEvents: 0, archiveFaults: null },
  ...{ readFrom: 1, messagesRead: log.length, since: null },
  clock: { aheadMs: 0.2, errorMs: 0.4 },
  graceMs: 30_000,
  booked: null,
  gone: 0,
  firstSequence: 1,
  skus: 1,
  seconds: 0.25,
});

const firstLine = (report: LogAudit) => auditVerdict(orderFlow)(report, narrow).split("\n")[0];

describe("auditVerdict", () => {
  it("passes a log without fault, promise by promise", () => {
    expect(auditVerdict(orderFlow)(auditOf(good), narrow)).toMatchInlineSnapshot(`
      "PASS  3 orders, each ended exactly once

      SHIPPED 1   DECLINED 1   REFUNDED 1   under way 0
      13 events read in 250 ms, 52/s

      ✓ every order ended with a notification
      ✓ no event of a kind twice for an order
      ✓ no event without its cause
      ✓ a shipment exactly where stock was reserved
      ✓ a refund exactly where a paid order met an empty shelf
      ✓ each payment of what its order is worth, each refund of what was paid
      ✓ no SKU oversold (of 1)
      ✓ every message is a valid event"
    `);
  });

  it("lists who broke what, and says what to type next", () => {
    const bad = [...good, ...ways.SHIPPED(id).filter(({ kind }) => kind !== "reservations")];
    expect(auditVerdict(orderFlow)(auditOf(bad, 1), narrow)).toMatchInlineSnapshot(`
      "FAIL  1 of 4 orders and 1 SKU break a promise

      SHIPPED 2   DECLINED 1   REFUNDED 1   under way 0
      17 events read in 250 ms, 68/s

      ✓ every order ended with a notification
      ✓ no event of a kind twice for an order
      ✓ no event without its cause
      ✗ a shipment exactly where stock was reserved: 1 violation
      ✓ a refund exactly where a paid order met an empty shelf
      ✓ each payment of what its order is worth, each refund of what was paid
      ✗ no SKU oversold: 1 violation
      ✓ every message is a valid event

      order 0197f3c2-8a41-7c3e-9d55-0242ac120002
        shipment and stock differ: an event of kind shipments without RESERVED stock
          before it (message 16)
      SKU MUG-3
        oversold: 2 units reserved, 1 ever stocked

      What happened to it: orderctl trace 0197f3c2-8a41-7c3e-9d55-0242ac120002
      Away with what takes the place of an event: orderctl dlq remove-event 16"
    `);
  });

  it("uses the width it has", () => {
    const bad = ways.SHIPPED(id).filter(({ kind }) => kind !== "payments");
    expect(
      auditVerdict(orderFlow)(auditOf(bad), { ...narrow, width: 140 })
        .split("\n")
        .slice(-5),
    ).toMatchInlineSnapshot(`
      [
        "order 0197f3c2-8a41-7c3e-9d55-0242ac120002",
        "  no cause: an event of kind reservations without an APPROVED payment before it (message 2)",
        "",
        "What happened to it: orderctl trace 0197f3c2-8a41-7c3e-9d55-0242ac120002",
        "Away with what takes the place of an event: orderctl dlq remove-event 2",
      ]
    `);
  });

  it("counts orders under way without calling them ended", () => {
    expect(firstLine(auditOf([...good, event("created", "d")], 100, 20))).toBe(
      "PASS  4 orders: 3 ended exactly once, 1 under way",
    );
  });

  it("does not praise an empty log", () => {
    expect(firstLine(auditOf([]))).toBe("PASS  there is no order in the log");
  });

  it("says that overselling was not checked where nobody keeps stock", () => {
    expect(auditVerdict(orderFlow)({ ...auditOf(good), skus: null }, narrow)).toContain(
      "- no SKU oversold: not checked, nobody keeps stock here",
    );
  });

  it("shows twenty violations of many, and where the rest is", () => {
    const many = auditOf(Array.from({ length: 33 }, (_, index) => event("payments", `o-${index}`)));
    const lines = auditVerdict(orderFlow)(many, narrow).split("\n");
    expect(lines[0]).toBe("FAIL  33 of 33 orders break a promise");
    expect(lines.filter((line) => line.startsWith("order o-"))).toHaveLength(20);
    expect(lines).toContain("and 13 more; --json lists all");
  });

  it("does not guess how many orders are behind more violations than are listed", () => {
    const many = auditOf(Array.from({ length: 150 }, (_, index) => event("payments", `o-${index}`)));
    expect(firstLine(many)).toBe("FAIL  150 violations among 0 orders");
    expect(auditVerdict(orderFlow)(many, narrow)).toContain("and 130 more; --json lists the first 100");
  });

  it("does without anything beyond ASCII", () => {
    const bad = [...good, event("payments", id)];
    expect(auditVerdict(orderFlow)(auditOf(bad), { ...narrow, unicode: false })).toMatch(/^[\n -~]*$/);
  });
});
