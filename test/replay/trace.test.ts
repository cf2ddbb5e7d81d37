import { expect, it, vi } from "vitest";
import { openOtlpSink } from "../telemetry/otlp-sink.ts";
import { ReplayWorld } from "./replay-world.ts";

const world = new ReplayWorld();

it("gives each copy a trace of its own, linked to that of the original", async () => {
  const sink = await openOtlpSink();
  const env = {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${sink.url}/v1/traces`,
    OTEL_TRACES_SAMPLER: "always_on",
  };
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  try {
    await world.run("publish order --count 3", { env });
    const { exitCode } = await world.replay("--to test.copy --create", { env });
    expect(exitCode).toBe(0);
  } finally {
    vi.unstubAllEnvs();
  }
  const copies = await world.read("test_copy");
  const spans = sink.spans.filter(({ name }) => name === "publish test.copy.created.{order_id}");
  expect(spans).toHaveLength(3);
  for (const [index, copy] of copies.entries()) {
    const own = copy.header("traceparent")?.split("-") ?? [];
    const original = copy.header("Orderctl-Origin-Traceparent")?.split("-") ?? [];
    const span = spans.find(({ traceId }) => traceId === own[1]);
    expect(span).toMatchObject({ spanId: own[2], links: [{ traceId: original[1], spanId: original[2] }] });
    expect(span?.parentSpanId || undefined).toBeUndefined();
    expect(span?.attributes).toMatchObject({
      "order.id": copy.subject.split(".").at(-1),
      "nats.stream.sequence": index + 1,
      "orderctl.service": "replay",
    });
    expect(own[1]).not.toBe(original[1]);
  }
});
