import { describe, expect, it } from "vitest";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import { encodeOtlpJson } from "../../src/telemetry/otlp/otlp-json.ts";
import type { Span } from "../../src/telemetry/tracing/span.ts";
import { exportTrace, fromLog } from "../../src/trace/export-trace.ts";
import { buildSpanTrace } from "../../src/trace/picture.ts";
import { spansInJson } from "../telemetry/otlp/spans-in.ts";
import * as samples from "./samples.ts";

const { shipped } = samples;
const isMade = ({ attributes }: { attributes: object }) => fromLog in attributes;

describe("exportTrace", () => {
  it("adds nothing where the spans tell of every hop", () => {
    expect(exportTrace(orderFlow, shipped)).toEqual(shipped.spans);
  });

  it("makes of the log alone one tree from the publishing to the notification, the same each time", () => {
    const spans = exportTrace(orderFlow, { ...shipped, spans: [] });
    expect(spans).toEqual(exportTrace(orderFlow, { ...shipped, spans: [] }));
    expect(spans.every(isMade)).toBe(true);
    const trace = buildSpanTrace(spans, { all: true });
    expect(trace.rows.map(({ depth, label }) => `${depth} ${label}`)).toEqual([
      "0 publish ORDERS.created.{order_id}",
      "1 process ORDERS.created.{order_id}",
      "2 publish ORDERS.payments.{order_id}",
      "3 process ORDERS.payments.{order_id}",
      "4 publish ORDERS.reservations.{order_id}",
      "5 process ORDERS.reservations.{order_id}",
      "6 publish ORDERS.shipments.{order_id}",
      "7 process ORDERS.shipments.{order_id}",
      "8 publish ORDERS.notifications.{order_id}",
    ]);
    expect(trace.totalMs).toBeCloseTo(12.3, 3);
  });

  it("joins what it makes to what was received", () => {
    const received = shipped.spans.filter(({ name }) => !/ORDERS\.(reservations|payments)/.test(name));
    const spans = exportTrace(orderFlow, { ...shipped, spans: received });
    expect(spans.filter(isMade).map(({ name }) => name)).toEqual([
      "publish ORDERS.payments.{order_id}",
      "process ORDERS.payments.{order_id}",
      "publish ORDERS.reservations.{order_id}",
      "process ORDERS.reservations.{order_id}",
    ]);
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
    expect(buildSpanTrace(spans).rows.filter(({ depth }) => depth === 0)).toHaveLength(1);
  });

  it("gives an order without any trace context a trace of its own", () => {
    const logged = shipped.logged.map((one) => ({ ...one, trace: undefined, hop: undefined }));
    const spans = exportTrace(orderFlow, { logged, spans: [] });
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
    expect(spansInJson(JSON.parse(JSON.stringify(encodeOtlpJson(spans))))).toHaveLength(9);
  });
});

describe("the traces in fixtures/traces", () => {
  const { checkoutOfManySpans, ...orders } = samples;
  const ofOrders = Object.entries(orders).map(([name, { spans }]): [string, Span[]] => [name, spans]);
  const all: [string, Span[]][] = [...ofOrders, ["checkout", checkoutOfManySpans(120)]];

  it.each(all)("%s.json is what its spans look like as OTLP/JSON, and reads back", async (name, spans) => {
    const text = `${JSON.stringify(encodeOtlpJson(spans), null, 1)}\n`;
    await expect(text).toMatchFileSnapshot(`../../fixtures/traces/${name}.json`);
    const ids = spansInJson(JSON.parse(text)).map(({ spanId }) => spanId);
    expect(ids.sort()).toEqual(spans.map(({ spanId }) => spanId).sort());
  });
});
