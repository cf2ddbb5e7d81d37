import { describe, expect, it } from "vitest";
import { OrderctlError } from "../../../src/core/errors.ts";
import { openOtlpSink } from "../otlp-sink.ts";
import { tracedMessage as message, startTestTelemetry, traced } from "../start-test-telemetry.ts";

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
    const telemetry = await startTestTelemetry({}, { collector: sink.url });
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

  it("hands on that nothing is to be recorded where a message without a trace is not sampled", async () => {
    const sink = await openOtlpSink();
    const telemetry = await startTestTelemetry(
      { OTEL_TRACES_SAMPLER: "always_off" },
      { collector: sink.url },
    );
    const work = traced(telemetry).process(station, delivery({}), Date.now() * 1000);
    expect(work?.publish(message).headers.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    work?.settled("ack");
    await telemetry.stop(5000);
    expect(sink.spans).toEqual([]);
  });

  it("is not there where the sender's trace is not sampled", async () => {
    const sink = await openOtlpSink();
    const telemetry = await startTestTelemetry({ OTEL_TRACES_SAMPLER: "always_on" }, { collector: sink.url });
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    expect(traced(telemetry).process(station, delivery({ traceparent }), 1)).toBeUndefined();
    await telemetry.stop(5000);
    expect(sink.spans).toEqual([]);
  });
});
