import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { afterEach, describe, expect, it } from "vitest";
import { MetricLedger } from "../../../src/telemetry/metrics/metric-ledger.ts";
import { createMetricReaders, startRuntimeMetrics } from "../../../src/telemetry/metrics/metric-readers.ts";
import { createMetrics } from "../../../src/telemetry/metrics/metrics.ts";
import { until } from "../../support/until.ts";
import { countsOf, openMetricWorld } from "./metric-world.ts";

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

type OtlpPoint = { attributes: { key: string }[]; asDouble?: number; count?: number };
type OtlpMetric = { name: string; unit: string; sum?: { dataPoints: OtlpPoint[]; isMonotonic: boolean } };
type OtlpBody = { resourceMetrics: { scopeMetrics: { metrics: OtlpMetric[] }[] }[] };

/** Takes what an OTLP exporter sends. */
async function openSink(): Promise<{ url: string; received: { path: string; body: OtlpBody }[] }> {
  const received: { path: string; body: OtlpBody }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    received.push({ path: request.url ?? "", body: JSON.parse(Buffer.concat(chunks).toString()) });
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  endings.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

describe("metric readers", () => {
  it("are none where nobody reads", () => {
    const none = { env: {}, producer: new MetricLedger(), prometheus: false, otlp: false };
    expect(createMetricReaders(none)).toEqual({ readers: [], scrape: undefined });
  });

  it("send to the endpoint of the environment at its interval, and the last of it at shutdown", async () => {
    const { url, received } = await openSink();
    process.env.OTEL_EXPORTER_OTLP_ENDPOINT = url;
    endings.push(() => delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT);
    const producer = new MetricLedger();
    const env = { OTEL_METRIC_EXPORT_INTERVAL: "50" };
    const { readers, scrape } = createMetricReaders({ env, producer, prometheus: false, otlp: true });
    const provider = new MeterProvider({ readers });
    const metrics = createMetrics(producer);
    countsOf(metrics).payment({ status: "APPROVED", reason: "" });
    await until(() => received.length >= 2);
    countsOf(metrics).payment({ status: "APPROVED", reason: "" });
    await provider.shutdown();
    expect(scrape).toBeUndefined();
    expect(new Set(received.map(({ path }) => path))).toEqual(new Set(["/v1/metrics"]));
    const sent = received.at(-1)?.body.resourceMetrics[0]?.scopeMetrics.flatMap((scope) => scope.metrics);
    expect(sent?.map(({ name }) => name)).toEqual(["orderctl.payments"]);
    expect(sent?.[0]?.unit).toBe("{payment}");
    expect(sent?.[0]?.sum?.dataPoints[0]?.asDouble).toBe(2);
  });

  it.each(["0", "-5", "soon", ""])("ignore an interval that is none: %j", async (interval) => {
    const env = { OTEL_METRIC_EXPORT_INTERVAL: interval };
    const otlp = { env, producer: new MetricLedger(), prometheus: false, otlp: true };
    expect(createMetricReaders(otlp).readers).toHaveLength(1);
  });

  it("tell of Node itself, with units in the names as Prometheus wants them, until told to stop", async () => {
    const { provider, samples } = openMetricWorld();
    const stop = startRuntimeMetrics(provider);
    endings.push(stop);
    await until(async () => (await samples()).has("nodejs_eventloop_delay_p99_seconds"));
    const shown = await samples();
    const old = 'v8js_memory_heap_used_bytes{v8js_heap_space_name="old_space"}';
    expect(shown.get(old)).toBeGreaterThan(100_000);
    expect(shown.get("nodejs_eventloop_utilization_ratio")).toBeLessThanOrEqual(1);
    expect(shown.get('nodejs_eventloop_time_seconds_total{nodejs_eventloop_state="active"}')).toBeGreaterThan(
      0,
    );
  });

  it("answer a scrape in the text format, and no more after the shutdown", async () => {
    const { metrics, provider, scrape } = openMetricWorld();
    countsOf(metrics).orderEnded("SHIPPED", 10);
    const { contentType, text } = await scrape();
    expect(contentType).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(text).toContain("# TYPE orderctl_order_duration_seconds histogram");
    await provider.shutdown();
    await expect(scrape()).rejects.toThrow("shutdown");
  });
});
