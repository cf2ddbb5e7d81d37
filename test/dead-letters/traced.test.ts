import { expect, it } from "vitest";
import { readDeadLetters } from "../../src/dead-letters/dead-letters.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { openLogWriter } from "../support/log-writer.ts";
import { orderLog } from "../support/order-log.ts";
import { startServices } from "../support/start-services.ts";
import { until } from "../support/until.ts";
import { openOtlpSink } from "../telemetry/otlp-sink.ts";
import { startTestTelemetry } from "../telemetry/start-test-telemetry.ts";

it("shows in its trace that a message was given up on, and why", async () => {
  const { connection } = await brokerOfTest();
  const sink = await openOtlpSink();
  const telemetry = await startTestTelemetry({ OTEL_TRACES_SAMPLER: "always_on" }, { collector: sink.url });
  const services = await startServices(connection, ["payment"], { telemetry });
  const log = await openLogWriter(connection);
  await log.storeBytes("ORDERS.created.bad", "no event");
  await until(async () => (await readDeadLetters(orderLog(connection))).length === 1);
  await services.stop(5000);
  await telemetry.stop(5000);
  log.close();
  const names = sink.spans.map(({ name }) => name);
  expect(names.sort()).toEqual(["process ORDERS.created.{order_id}", "term ORDERS.created.{order_id}"]);
  const work = sink.spans.find(({ name }) => name.startsWith("process"));
  expect(work?.attributes["error.type"]).toBe("bad_message");
  expect(sink.spans.find(({ name }) => name.startsWith("term"))?.parentSpanId).toBe(work?.spanId);
});
