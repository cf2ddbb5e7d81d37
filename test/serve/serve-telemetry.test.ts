import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { announceCollector } from "../../src/cli/collector-address.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { runCommand } from "../support/run-command.ts";
import { serve } from "../support/serving.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";
import { openOtlpSink } from "../telemetry/otlp-sink.ts";

let broker: TestBroker;

beforeEach(async () => {
  broker = await startTestBroker();
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await broker.stop();
});

/** Where a service that was started with `--metrics-port 0 --json` tells its metrics. */
async function metricsUrl(serving: ReturnType<typeof serve>): Promise<string> {
  await until(() => serving.stdout().includes("\n"));
  return JSON.parse(serving.stdout()).data.metricsUrl;
}

const textFrom = async (url: string) => (await fetch(url)).text();
const statusOf = async (url: string) => (await fetch(url)).status;

const publish = (count: number, words = "") =>
  runCommand(`publish order --count ${count} --wait --server ${broker.url} ${words}`.trim());

describe("serve --metrics-port", () => {
  const words = "all --http-port 0 --metrics-port 0 --json --reconnect-wait 50ms";

  it("counts what was done, by outcome and by template, never by order id", async () => {
    const serving = serve(
      broker.url,
      `${words} --decline-share 50% --gateway-errors 20% --gateway-backoff 1ms`,
    );
    const url = await metricsUrl(serving);
    expect((await publish(200)).exitCode).toBe(0);
    const text = await textFrom(`${url}/metrics`);
    const totalOf = (pattern: RegExp) =>
      text
        .split("\n")
        .filter((line) => pattern.test(line))
        .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    expect(totalOf(/^orderctl_payments_total\{/)).toBe(200);
    expect(totalOf(/^orderctl_payments_total\{.*declined.*reason="\w+"/)).toBeGreaterThan(50);
    expect(totalOf(/^orderctl_orders_ended_total\{/)).toBe(200);
    expect(totalOf(/^orderctl_order_duration_seconds_count/)).toBe(200);
    expect(totalOf(/^orderctl_gateway_duration_seconds_count\{.*unavailable/)).toBeGreaterThan(0);
    expect(totalOf(/^orderctl_consumer_pending\{.*payment-processor/)).toBe(0);
    expect(text).toContain('messaging_destination_template="ORDERS.created.{order_id}"');
    expect(text).not.toMatch(/ORDERS\.created\.0/);
    await serving.stop();
  });

  it("is ready only while the broker is there", async () => {
    const serving = serve(broker.url, words);
    const url = await metricsUrl(serving);
    expect(await statusOf(`${url}/readyz`)).toBe(200);
    await broker.kill();
    await until(async () => (await statusOf(`${url}/readyz`)) === 503);
    expect(await textFrom(`${url}/readyz`)).toContain("the broker is away");
    expect(await statusOf(`${url}/healthz`)).toBe(200);
    expect(await statusOf(`${url}/metrics`)).toBe(200);
    await broker.restart();
    await until(async () => (await statusOf(`${url}/readyz`)) === 200);
    await serving.stop();
  });

  it("names the flag where the port is taken", async () => {
    const url = await metricsUrl(serve(broker.url, words));
    const ran = await runCommand(`serve shipping --metrics-port ${new URL(url).port} --server ${broker.url}`);
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toContain("--metrics-port");
  });
});

describe("a collector", () => {
  it("is found by services that were there before it", async () => {
    const serving = serve(broker.url, "payment inventory shipping notification --json");
    await until(() => serving.stdout().includes("\n"));
    const sink = await openOtlpSink();
    const connection = await openTestConnection(broker.url);
    const { stop } = announceCollector(connection, sink.url);
    await until(() => sink.spans.length > 0 || publishedSome(), 20_000);
    await serving.stop();
    stop();
    await connection.close();
    expect(sink.spans.some(({ name }) => name.startsWith("process ORDERS.created"))).toBe(true);
  });

  /** Orders without a trace context of their own, so that a service decides. */
  const publishedSome = async () => {
    await runCommand(`publish order --count 1 --server ${broker.url}`, {
      env: { OTEL_SDK_DISABLED: "true" },
    });
    return false;
  };
});

describe("an order that comes over HTTP", () => {
  it("is one trace with its caller, down to the notification", async () => {
    const sink = await openOtlpSink();
    vi.stubEnv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", `${sink.url}/v1/traces`);
    vi.stubEnv("OTEL_BSP_SCHEDULE_DELAY", "50");
    const env = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${sink.url}/v1/traces` };
    const serving = serve(broker.url, "all --http-port 0 --json", env);
    await until(() => serving.stdout().includes("\n"));
    const { url } = JSON.parse(serving.stdout()).data;
    const [traceId, spanId] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
    const order = { order_id: "h-1", lines: [{ sku: "MUG", quantity: 1, unit_price: "1.00" }] };
    const response = await fetch(`${url}/orders`, {
      method: "POST",
      headers: { "content-type": "application/json", traceparent: `00-${traceId}-${spanId}-01` },
      body: JSON.stringify(order),
    });
    expect(response.status).toBe(201);
    const named = (name: string) => sink.spans.find((span) => span.name.startsWith(name));
    await until(() => named("ack ORDERS.shipments") !== undefined);
    await serving.stop();
    const request = named("POST /orders");
    expect(request).toMatchObject({ traceId, parentSpanId: spanId, kind: 2 });
    expect(request?.attributes).toMatchObject({ "http.response.status_code": 201, "order.id": "h-1" });
    expect(named("publish ORDERS.created")?.parentSpanId).toBe(request?.spanId);
    expect(sink.spans.every((span) => span.traceId === traceId)).toBe(true);
  });
});
