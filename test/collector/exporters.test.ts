import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { describe, expect, it } from "vitest";
import { until } from "../support/until.ts";
import { type CollectorWorld, openCollectorWorld } from "./collector-world.ts";

const exporters = { JSON: JsonExporter, protobuf: ProtobufExporter };
type Settings = NonNullable<ConstructorParameters<typeof JsonExporter>[0]>;
type Compression = NonNullable<Settings["compression"]>;

function openTracing({ collector }: CollectorWorld, encoding: keyof typeof exporters, compression: string) {
  const exporter = new exporters[encoding]({
    url: `${collector.url}/v1/traces`,
    compression: compression as Compression,
  });
  const resource = resourceFromAttributes({ "service.name": "bakery", "process.pid": 4711 });
  const provider = new TracerProvider({ resource, spanProcessors: [new BatchSpanProcessor({ exporter })] });
  return { provider, tracer: provider.getTracer("test", "1.2.3") };
}

describe.each(["JSON", "protobuf"] as const)("OpenTelemetry's own exporter for %s", (encoding) => {
  it.each(["none", "gzip"])("brings its spans whole, with compression %s", async (compression) => {
    const world = await openCollectorWorld();
    const { provider, tracer } = openTracing(world, encoding, compression);
    const link = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 };
    const root = tracer.startSpan("bake", {
      kind: SpanKind.CONSUMER,
      startTime: [1_760_000_000, 123_456_789],
      links: [{ context: link, attributes: { why: "again" } }],
      attributes: { text: "é 😀", count: 42, share: 0.25, hot: true, sizes: [1, 2, 3], names: ["a", "b"] },
    });
    const child = tracer.startSpan("knead", {}, trace.setSpan(context.active(), root));
    child.recordException(new TypeError("no flour"));
    child.setStatus({ code: SpanStatusCode.ERROR, message: "no flour" });
    child.end();
    root.end([1_760_000_001, 1]);
    await provider.shutdown();
    const { traceId, spanId } = root.spanContext();
    const [bake, knead, ...rest] = await world.read(traceId);
    expect(rest).toEqual([]);
    expect(bake).toEqual({
      traceId,
      spanId,
      parentSpanId: null,
      name: "bake",
      kind: "CONSUMER",
      startNs: 1_760_000_000_123_456_789n,
      endNs: 1_760_000_001_000_000_001n,
      status: { code: "UNSET", message: "" },
      attributes: { text: "é 😀", count: 42, share: 0.25, hot: true, sizes: [1, 2, 3], names: ["a", "b"] },
      resource: { "service.name": "bakery", "process.pid": 4711 },
      events: [],
      links: [{ traceId: link.traceId, spanId: link.spanId, attributes: { why: "again" } }],
    });
    expect(knead).toMatchObject({
      parentSpanId: spanId,
      kind: "INTERNAL",
      status: { code: "ERROR", message: "no flour" },
      events: [{ name: "exception", attributes: { "exception.type": "TypeError" } }],
    });
  });

  it("loses nothing when the broker is killed under it, and nothing is read twice", async () => {
    const world = await openCollectorWorld({ patienceMs: 300 });
    const { provider, tracer } = openTracing(world, encoding, "gzip");
    const ids: string[] = [];
    const trace500 = () => {
      for (let n = 0; n < 500; n++) {
        const span = tracer.startSpan("work");
        span.end();
        ids.push(span.spanContext().traceId);
      }
      return provider.forceFlush();
    };
    await trace500();
    // In flight while the broker dies, and sent while there is none.
    const during = trace500();
    await world.broker.kill();
    const after = trace500();
    await until(() => world.collector.counts().refused > 0);
    await world.broker.restart();
    await Promise.all([during, after]);
    await provider.shutdown();
    for (const traceId of ids) expect(await world.read(traceId)).toHaveLength(1);
    expect(ids).toHaveLength(1500);
  });
});
