import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { describe, expect, it, vi } from "vitest";
import { noTelemetry } from "../../src/telemetry/telemetry.ts";
import { until } from "../support/until.ts";
import { openOtlpSink } from "./otlp-sink.ts";
import {
  tracedMessage as message,
  notes,
  publishOne,
  startTestTelemetry,
  traced,
} from "./start-test-telemetry.ts";

describe("telemetry", () => {
  it("is off where nobody names an endpoint, and where it is disabled", async () => {
    expect(await startTestTelemetry({})).toBe(noTelemetry);
    expect(await startTestTelemetry({ OTEL_EXPORTER_OTLP_ENDPOINT: "" })).toBe(noTelemetry);
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" };
    expect(await startTestTelemetry({ ...endpoint, OTEL_SDK_DISABLED: "true" })).toBe(noTelemetry);
  });

  it("sends to the collector that was found, and rather to the endpoint that the environment names", async () => {
    const found = await openOtlpSink();
    const named = await openOtlpSink();
    const first = await startTestTelemetry({}, { collector: found.url });
    publishOne(first);
    await first.stop(5000);
    expect(found.spans).toHaveLength(1);
    const second = await startTestTelemetry(
      { OTEL_EXPORTER_OTLP_ENDPOINT: named.url },
      { collector: found.url },
    );
    publishOne(second);
    await second.stop(5000);
    expect([found.spans.length, named.spans.length]).toEqual([1, 1]);
  });

  it("says who sends, and nothing of the command line", async () => {
    const sink = await openOtlpSink();
    const telemetry = await startTestTelemetry(
      { OTEL_RESOURCE_ATTRIBUTES: "team=shop" },
      { collector: sink.url },
    );
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
    const telemetry = await startTestTelemetry(env, { collector: sink.url });
    for (let index = 0; index < 300; index += 1) publishOne(telemetry);
    await telemetry.stop(5000);
    expect(sink.spans).toHaveLength(300);
    expect(sink.spans[0]?.resource["service.name"]).toBe("till");
    const off = await startTestTelemetry({ OTEL_TRACES_SAMPLER: "always_off" }, { collector: sink.url });
    const { headers } = traced(off).publish(message);
    expect(headers.traceparent).toMatch(/-00$/);
  });

  it("samples a hundred traces a second of its own accord", async () => {
    const sink = await openOtlpSink();
    const telemetry = await startTestTelemetry({}, { collector: sink.url });
    const flags = Array.from({ length: 500 }, () => traced(telemetry).publish(message).headers.traceparent);
    const sampled = flags.filter((header) => header?.endsWith("-01")).length;
    expect(sampled).toBeGreaterThanOrEqual(10);
    expect(sampled).toBeLessThan(250);
  });

  it("loses none of 40,000 spans that are queued when it stops", async () => {
    const sink = await openOtlpSink();
    const env = { OTEL_TRACES_SAMPLER: "always_on", OTEL_BSP_MAX_QUEUE_SIZE: "40000" };
    const telemetry = await startTestTelemetry(env, { collector: sink.url });
    for (let index = 0; index < 40_000; index += 1) publishOne(telemetry);
    await telemetry.stop(30_000);
    expect(sink.spans).toHaveLength(40_000);
    expect(new Set(sink.spans.map(({ spanId }) => spanId)).size).toBe(40_000);
    expect(notes).toEqual([]);
  }, 60_000);

  it("tells once that spans cannot be sent, and ends within its time", async () => {
    const env = { OTEL_BSP_SCHEDULE_DELAY: "10", OTEL_EXPORTER_OTLP_TIMEOUT: "200" };
    const telemetry = await startTestTelemetry(env, { collector: "http://127.0.0.1:9" });
    publishOne(telemetry);
    await until(() => notes.length > 0);
    publishOne(telemetry);
    await telemetry.stop(5000);
    expect(notes).toEqual([
      expect.stringMatching(/^spans cannot be sent \(.*ECONNREFUSED/),
      "2 of 2 spans were lost",
    ]);
  });

  it("tells in the end how many spans were lost, those that found no place in the queue as well", async () => {
    const env = { OTEL_TRACES_SAMPLER: "always_on", OTEL_BSP_MAX_QUEUE_SIZE: "10" };
    const telemetry = await startTestTelemetry(env, { collector: "http://127.0.0.1:9" });
    for (let index = 0; index < 50; index += 1) publishOne(telemetry);
    vi.stubEnv("OTEL_EXPORTER_OTLP_TIMEOUT", "200");
    await telemetry.stop(20_000);
    expect(notes.at(-1)).toBe("50 of 50 spans were lost");
  }, 30_000);

  it.each(["http/protobuf", "http/json"])("speaks %s to the collector that was found", async (protocol) => {
    const types: unknown[] = [];
    const server = createHttpServer((request, response) => {
      types.push(request.headers["content-type"]);
      request.resume().on("end", () => response.writeHead(200).end());
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as { port: number };
    const env = { OTEL_EXPORTER_OTLP_PROTOCOL: protocol, OTEL_TRACES_EXPORTER: "otlp" };
    const telemetry = await startTestTelemetry(env, { collector: `http://127.0.0.1:${port}` });
    publishOne(telemetry);
    await telemetry.stop(5000);
    server.close();
    expect(types).toEqual([protocol === "http/json" ? "application/json" : "application/x-protobuf"]);
  });

  it("gives up on a collector that never answers", async () => {
    const server = createServer(() => {});
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as { port: number };
    const telemetry = await startTestTelemetry({}, { collector: `http://127.0.0.1:${port}` });
    publishOne(telemetry);
    await telemetry.stop(100);
    server.close();
  });
});
