import { describe, expect, it } from "vitest";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import type { Span } from "../../src/telemetry/tracing/span.ts";
import { attribute } from "../../src/telemetry/tracing/span-names.ts";
import { buildOrderTrace } from "../../src/trace/picture.ts";
import { sinceStart } from "../support/logged-order.ts";
import { redelivered, retried, shipped, skewed } from "./samples.ts";
import { span } from "./traced-order.ts";

const built = (spans: readonly Span[], logged = shipped.logged) =>
  buildOrderTrace({ flow: orderFlow, logged, spans, nowUs: sinceStart(1e9) });

const labels = ({ rows }: { rows: readonly { label: string; depth: number }[] }) =>
  rows.map(({ label, depth }) => `${"  ".repeat(depth)}${label}`);

const publishOf = (kind: string) =>
  shipped.spans.find(({ name }) => name.startsWith(`publish ORDERS.${kind}`));

describe("log and spans as one picture", () => {
  it("has one row for each event, whatever spans there are", () => {
    const events = (spans: readonly Span[]) =>
      built(spans)
        .rows.filter(({ is }) => is === "event")
        .map(({ label, sequence }) => `${sequence} ${label}`);
    const all = ["1 created", "2 payment", "3 reservation", "4 shipment", "5 notification"];
    expect(events([])).toEqual(all);
    expect(events(shipped.spans)).toEqual(all);
    expect(events(shipped.spans.toReversed())).toEqual(all);
    expect(events(shipped.spans.slice(3, 9))).toEqual(all);
  });

  it("keeps the timeline's own fields as the log alone tells them", () => {
    const { rows: _, criticalPath: __, spans: ___, ...own } = built(shipped.spans);
    const { hops, totalMs, status } = built([]);
    expect(own).toMatchObject({ hops, totalMs, status });
  });

  it("takes what stores, processes and acknowledges an event into its row, and names those spans", () => {
    const { rows } = built(shipped.spans);
    expect(labels({ rows })).toEqual([
      "POST /orders",
      "  created",
      "    payment",
      "      gateway charge",
      "      reservation",
      "        shipment",
      "          notification",
    ]);
    expect(rows.flatMap(({ spanIds }) => spanIds).toSorted()).toEqual(
      shipped.spans.map(({ spanId }) => spanId).sort(),
    );
  });

  it("finds an event's spans by their sequence where its header names none", () => {
    const untold = shipped.logged.map((one) => ({ ...one, trace: undefined }));
    expect(labels(built(shipped.spans, untold))).toEqual(labels(built(shipped.spans)));
  });

  it("hangs other programs' spans where their parents are", () => {
    const created = publishOf("created")?.spanId ?? "";
    const charge = shipped.spans.find(({ name }) => name === "gateway charge")?.spanId ?? "";
    const spans = [
      ...shipped.spans,
      span({
        name: "POST /charges",
        kind: "SERVER",
        from: 1300,
        to: 6600,
        spanId: "aa",
        parentSpanId: charge,
      }),
      span({ name: "INSERT charge", kind: "CLIENT", from: 1400, to: 1500, spanId: "ab", parentSpanId: "aa" }),
      span({
        name: "process for fraud",
        kind: "CONSUMER",
        from: 5000,
        to: 6000,
        spanId: "ac",
        parentSpanId: created,
      }),
    ];
    const trace = built(spans);
    expect(labels(trace).slice(1, 8)).toEqual([
      "  created",
      "    process for fraud",
      "    payment",
      "      gateway charge",
      "        POST /charges",
      "          INSERT charge",
      "      reservation",
    ]);
    const fraud = trace.rows.find(({ label }) => label === "process for fraud");
    expect(fraud).toMatchObject({ depth: 2, fromMs: 0, toMs: 6 });
    expect(fraud?.segments.map(({ as }) => as)).toEqual(["waited", "worked"]);
  });

  it("hangs a span whose parent nobody received below the root, and says so", () => {
    const lost = span({ name: "lost", from: 3000, to: 4000, spanId: "aa", parentSpanId: "ff" });
    expect(built([...shipped.spans, lost]).rows.find(({ label }) => label === "lost")).toMatchObject({
      depth: 1,
      parentMissing: true,
    });
  });

  it("leaves out spans of other orders in the same trace, with what is below them, and counts them", () => {
    const other = { [attribute.orderId]: "another" };
    const spans = [
      ...shipped.spans,
      span({ name: "publish ORDERS.created.{order_id}", from: 0, to: 9, spanId: "aa", attributes: other }),
      span({ name: "of the other", from: 0, to: 9, spanId: "ab", parentSpanId: "aa" }),
    ];
    expect(built(spans)).toMatchObject({ foreignSpans: 2, rows: built(shipped.spans).rows });
  });

  it("shows deliveries that had nothing to do only where everything is asked for", () => {
    const payment = publishOf("payments")?.spanId ?? "";
    const idle = span({
      ...{ name: "process ORDERS.payments.{order_id}", kind: "CONSUMER", from: 7500, to: 7600, spanId: "aa" },
      parentSpanId: payment,
      attributes: { [attribute.service]: "notification" },
    });
    const spans = [...shipped.spans, idle];
    expect(labels(built(spans))).toEqual(labels(built(shipped.spans)));
    const all = buildOrderTrace({ flow: orderFlow, logged: shipped.logged, spans, nowUs: 0 }, { all: true });
    expect(labels(all)).toContain("      process ORDERS.payments.{order_id}");
  });

  it("tells the segments of a row with failed deliveries in their order", () => {
    const payment = built(redelivered.spans, redelivered.logged).rows.find(
      ({ label }) => label === "payment",
    );
    expect(payment).toMatchObject({ count: 3, failed: 2, error: "unavailable: the gateway answered 503" });
    expect(payment?.segments.map(({ as }) => as).join(" ")).toBe(
      "waited failed waited failed waited worked called worked storing",
    );
  });

  it("gives each attempt of a call a segment, with the pauses between", () => {
    const charge = built(retried.spans, retried.logged).rows.find(({ label }) => label === "gateway charge");
    expect(charge).toMatchObject({ count: 3, failed: 2, folded: "attempts", tookMs: 4305.45 });
    expect(charge?.segments.map(({ as }) => as)).toEqual(["failed", "waited", "failed", "waited", "called"]);
  });

  it("gives the place of a span that only holds a call's attempts to them", () => {
    const process =
      retried.spans.find(({ name }) => name === "process ORDERS.created.{order_id}")?.spanId ?? "";
    const shell = span({ name: "charge", from: 1210, to: 4_306_750, spanId: "aa", parentSpanId: process });
    const spans = retried.spans.map((each) =>
      each.name === "gateway charge" ? { ...each, parentSpanId: "aa" } : each,
    );
    expect(labels(built([...spans, shell], retried.logged))).toEqual(
      labels(built(retried.spans, retried.logged)),
    );
  });

  it("puts the spans of a process with a wrong clock where they must have been", () => {
    const { rows, clocks } = built(skewed.spans, skewed.logged);
    expect(clocks.map(({ process }) => process)).toEqual(["stock-2", "ship-3"]);
    const shifts = Object.fromEntries(clocks.map(({ process, shiftMs }) => [process, shiftMs]));
    // Nobody can know it better than the pauses around the work allow.
    expect(shifts["stock-2"]).toBeGreaterThan(24);
    expect(shifts["stock-2"]).toBeLessThanOrEqual(25.5);
    expect(shifts["ship-3"]).toBeLessThan(-39);
    expect(shifts["ship-3"]).toBeGreaterThanOrEqual(-40.5);
    for (const { fromMs, toMs, segments } of rows) {
      expect(segments[0]?.fromMs ?? fromMs).toBe(fromMs);
      expect(segments.at(-1)?.toMs ?? toMs).toBe(toMs);
    }
  });

  it("is no more than JSON can hold", () => {
    const trace = built(shipped.spans);
    expect(JSON.parse(JSON.stringify(trace))).toEqual(trace);
  });
});
