import { createServer } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { OrderctlError } from "../../src/errors.ts";
import { noTelemetry, startTelemetry, type Telemetry } from "../../src/telemetry/telemetry.ts";
import { until } from "../until.ts";
import { openOtlpSink } from "./otlp-sink.ts";

const notes: string[] = [];
let running: Telemetry[] = [];

afterEach(async () => {
  await Promise.all(running.map((telemetry) => telemetry.stop(0)));
  running = [];
  notes.length = 0;
  vi.unstubAllEnvs();
});

/** OpenTelemetry reads the process's own environment. */
async function start(env: Record<string, string>, options: { collector?: string } = {}): Promise<Telemetry> {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const telemetry = await startTelemetry({
    env: process.env,
    service: "payment",
    instance: "box-1",
    version: "0.0.0",
    collector: options.collector,
    tracesPerSecond: 100,
    prometheus: false,
    note: (text) => notes.push(text),
  });
  running.push(telemetry);
  return telemetry;
}

const message = {
  subject: "ORDERS.created.o-1",
  template: "ORDERS.created.{order_id}",
  service: "publish",
  orderId: "o-1",
  bodyBytes: 120,
};

function traced({ tracing }: Telemetry) {
  if (!tracing) throw new Error("nothing is traced");
  return tracing;
}

const publishOne = (telemetry: Telemetry) =>
  traced(telemetry).publish(message).stored({ sequence: 1, duplicate: false });

describe("telemetry", () => {
  it("is off where nobody names an endpoint, and where it is disabled", async () => {
    expect(await start({})).toBe(noTelemetry);
    expect(await start({ OTEL_EXPORTER_OTLP_ENDPOINT: "" })).toBe(noTelemetry);
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" };
    expect(await start({ ...endpoint, OTEL_SDK_DISABLED: "true" })).toBe(noTelemetry);
  });

  it("sends to the collector that was found, and rather to the endpoint that the environment names", async () => {
    const found = await openOtlpSink();
    const named = await openOtlpSink();
    const first = await start({}, { collector: found.url });
    publishOne(first);
    await first.stop(5000);
    expect(found.spans).toHaveLength(1);
    const second = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: named.url }, { collector: found.url });
    publishOne(second);
    await second.stop(5000);
    expect([found.spans.length, named.spans.length]).toEqual([1, 1]);
  });

  it("says who sends, and nothing of the command line", async () => {
    const sink = await openOtlpSink();
    const telemetry = await start({ OTEL_RESOURCE_ATTRIBUTES: "team=shop" }, { collector: sink.url });
    publishOne(telemetry);
    await telemetry.stop(5000);
    const [span] = sink.spans;
    expect(span?.resource).toMatchObject({
      "service.name": "payment",
      "service.namespace": "orderctl",
      "service.instance.id": "box-1",
      team: "shop",
    });
    expect(Object.keys(span?.resource ?? {}).filter((name) => name.startsWith("process."))).toEqual([]);
  });

  it("honours the environment's names and samplers", async () => {
    const sink = await openOtlpSink();
    const env = { OTEL_SERVICE_NAME: "till", OTEL_TRACES_SAMPLER: "always_on" };
    const telemetry = await start(env, { collector: sink.url });
    for (let index = 0; index < 300; index += 1) publishOne(telemetry);
    await telemetry.stop(5000);
    expect(sink.spans).toHaveLength(300);
    expect(sink.spans[0]?.resource["service.name"]).toBe("till");
    const off = await start({ OTEL_TRACES_SAMPLER: "always_off" }, { collector: sink.url });
    const { headers } = traced(off).publish(message);
    expect(headers.traceparent).toMatch(/-00$/);
  });

  it("samples a hundred traces a second of its own accord", async () => {
    const sink = await openOtlpSink();
    const telemetry = await start({}, { collector: sink.url });
    const flags = Array.from({ length: 500 }, () => traced(telemetry).publish(message).headers.traceparent);
    const sampled = flags.filter((header) => header?.endsWith("-01")).length;
    expect(sampled).toBeGreaterThanOrEqual(10);
    expect(sampled).toBeLessThan(250);
  });

  it("loses none of 40,000 spans that are queued when it stops", async () => {
    const sink = await openOtlpSink();
    const env = { OTEL_TRACES_SAMPLER: "always_on", OTEL_BSP_MAX_QUEUE_SIZE: "40000" };
    const telemetry = await start(env, { collector: sink.url });
    for (let index = 0; index < 40_000; index += 1) publishOne(telemetry);
    await telemetry.stop(30_000);
    expect(sink.spans).toHaveLength(40_000);
    expect(new Set(sink.spans.map(({ spanId }) => spanId)).size).toBe(40_000);
    expect(notes).toEqual([]);
  }, 60_000);

  it("tells once that spans cannot be sent, and ends within its time", async () => {
    const env = { OTEL_BSP_SCHEDULE_DELAY: "10", OTEL_EXPORTER_OTLP_TIMEOUT: "200" };
    const telemetry = await start(env, { collector: "http://127.0.0.1:9" });
    publishOne(telemetry);
    await until(() => notes.length > 0);
    publishOne(telemetry);
    await telemetry.stop(5000);
    expect(notes).toEqual([expect.stringMatching(/^spans cannot be sent \(.*ECONNREFUSED/)]);
  });

  it("gives up on a collector that never answers", async () => {
    const server = createServer(() => {});
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as { port: number };
    const telemetry = await start({}, { collector: `http://127.0.0.1:${port}` });
    publishOne(telemetry);
    await telemetry.stop(100);
    server.close();
  });
});

describe("a delivery's span", () => {
  const { template } = message;
  const station = { template, service: "payment", consumer: "payment-processor", orderIdOf: () => "o-1" };
  const delivery = (headers: Record<string, string>) => ({
    subject: message.subject,
    payload: new Uint8Array(120),
    sequence: 7,
    attempt: 2,
    header: (name: string) => headers[name],
  });

  it("is a child of the producing span and linked to it, and so on to the settling", async () => {
    const sink = await openOtlpSink();
    const telemetry = await start({}, { collector: sink.url });
    const { headers, stored } = traced(telemetry).publish(message);
    stored({ sequence: 7, duplicate: false });
    const work = traced(telemetry).process(station, delivery(headers), Date.now() * 1000);
    work?.call("gateway charge", 1).end(new OrderctlError("timeout", "no answer"));
    work?.publish({ ...message, subject: "ORDERS.payments.o-1" }).stored({ sequence: 8, duplicate: true });
    work?.settled("ack");
    await telemetry.stop(5000);
    const named = (name: string) => sink.spans.find((span) => span.name.startsWith(name));
    const [producer, process] = [named("publish"), named("process")];
    expect(process?.parentSpanId).toBe(producer?.spanId);
    expect(process?.links).toMatchObject([{ traceId: producer?.traceId, spanId: producer?.spanId }]);
    expect(process?.attributes).toMatchObject({
      "messaging.system.name": "nats",
      "messaging.operation.type": "process",
      "messaging.consumer.group.name": "payment-processor",
      "messaging.destination.name": "ORDERS.created.o-1",
      "order.id": "o-1",
      "nats.stream.sequence": 7,
      "nats.delivery.attempt": 2,
    });
    const call = named("gateway charge");
    expect(call).toMatchObject({ parentSpanId: process?.spanId, status: { code: 2, message: "no answer" } });
    expect(call?.attributes).toMatchObject({ "order.id": "o-1", "error.type": "timeout" });
    expect(named("ack")).toMatchObject({ parentSpanId: process?.spanId, kind: 3 });
    expect(sink.spans.every(({ attributes }) => attributes["order.id"] === "o-1")).toBe(true);
  });

  it("is not there where the sender's trace is not sampled", async () => {
    const sink = await openOtlpSink();
    const telemetry = await start({ OTEL_TRACES_SAMPLER: "always_on" }, { collector: sink.url });
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    expect(traced(telemetry).process(station, delivery({ traceparent }), 1)).toBeUndefined();
    await telemetry.stop(5000);
    expect(sink.spans).toEqual([]);
  });
});
