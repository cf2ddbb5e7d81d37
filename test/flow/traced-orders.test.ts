import { afterAll, beforeAll, expect, it } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { generateOrders } from "../../src/orders/publish/open-order-source.ts";
import { feed } from "../../src/publish/feed.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { orderLog } from "../support/order-log.ts";
import { startServices } from "../support/start-services.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { openOtlpSink, type SentSpan } from "../telemetry/otlp-sink.ts";
import { startTestTelemetry } from "../telemetry/start-test-telemetry.ts";

const orders = 1000;

let broker: TestBroker;
let connection: Connection;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

/** Everything that reaches an independent receiver while orders go from publish to notification. */
async function spansOfOrders(): Promise<SentSpan[]> {
  const sink = await openOtlpSink();
  const telemetry = await startTestTelemetry({ OTEL_TRACES_SAMPLER: "always_on" }, { collector: sink.url });
  const services = await startServices(connection, undefined, { telemetry });
  const { report } = await feed(orderLog(connection), generateOrders(orders, 5).orders, {
    origin: { service: "publish", instance: "test" },
    window: 64,
    telemetry,
    waitMs: 20_000,
    signal: new AbortController().signal,
  });
  expect(report.endings?.ended).toBe(orders);
  await services.stop(5000);
  await telemetry.stop(10_000);
  return sink.spans;
}

it("hangs every span of an order in one tree, from its publishing to its notification", async () => {
  const spans = await spansOfOrders();
  const traces = new Map<string, SentSpan[]>();
  for (const span of spans) traces.set(span.traceId, [...(traces.get(span.traceId) ?? []), span]);
  expect(traces.size).toBe(orders);
  expect(new Set(spans.map(({ attributes }) => attributes["order.id"])).size).toBe(orders);
  for (const trace of traces.values()) {
    const ids = new Set(trace.map(({ spanId }) => spanId));
    const roots = trace.filter(({ parentSpanId }) => !parentSpanId);
    const orphans = trace.filter(({ parentSpanId }) => parentSpanId && !ids.has(parentSpanId));
    expect([ids.size, roots.length, orphans.length]).toEqual([trace.length, 1, 0]);
    expect(new Set(trace.map(({ attributes }) => attributes["order.id"])).size).toBe(1);
    const names = trace.map(({ name }) => name);
    expect(names).toContain("publish ORDERS.created.{order_id}");
    expect(names).toContain("gateway charge");
    expect(names).toContain("publish ORDERS.notifications.{order_id}");
  }
}, 60_000);
