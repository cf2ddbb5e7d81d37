import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { eventsOf, readBacklog, readLog } from "../../support/read-log.ts";
import { runCommand } from "../../support/run-command.ts";
import { serve, workers } from "../../support/serving.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";
import { until } from "../../support/until.ts";
import { openOtlpSink } from "../../telemetry/otlp-sink.ts";
import { setFaults } from "./set-faults.ts";
import { saying, startProvider } from "./start-provider.ts";
import { readBooked, startSimulator, temporaryFile } from "./test-simulator.ts";

describe("payment by a gateway over HTTP", () => {
  let broker: TestBroker;
  let connection: Connection;

  beforeEach(async () => {
    broker = await startTestBroker();
    connection = await openTestConnection(broker.url);
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await connection.close();
    await broker.stop();
  });

  const publish = (count: number, words = "") =>
    runCommand(`publish order --count ${count} --server ${broker.url} ${words}`.trim());

  /** Short times, so that a test sees every state of the breaker. */
  const hasty = "--gateway-backoff 1ms --breaker-open 300ms --http-port 0 --concurrency 32";

  const consumer = async (name = "payment-processor") => connection.jsm.consumers.info("ORDERS", name);

  const isServing = () =>
    consumer("notification-refunded").then(
      ({ num_waiting }) => num_waiting > 0,
      () => false,
    );

  /** What was charged and refunded at the gateway is what the log says, once each. */
  async function expectBooksToBalance(url: string) {
    const log = await readLog(connection);
    const sorted = (ids: (string | undefined)[]) => ids.map(String).sort();
    const payments = eventsOf(log, "payments");
    const refunds = eventsOf(log, "refunds");
    const charges = await readBooked(url, "charges");
    const approved = charges.filter(({ status }) => status === "approved");
    expect(sorted(approved.map(({ charge_id }) => charge_id))).toEqual(
      sorted(payments.filter(({ status }) => status === "APPROVED").map(({ chargeId }) => chargeId)),
    );
    expect(sorted(charges.map(({ order_id }) => order_id))).toEqual(
      sorted(payments.map(({ orderId }) => orderId)),
    );
    const booked = await readBooked(url, "refunds");
    expect(sorted(booked.map(({ refund_id }) => refund_id))).toEqual(
      sorted(refunds.map(({ refundId }) => refundId)),
    );
    const audit = await runCommand(`audit --grace 0s --gateway ${url} --server ${broker.url}`);
    expect(audit.stdout).toContain("✓ one charge for each paid order and one repayment for each refund");
    return { log, payments, refunds };
  }

  it("charges and refunds at the gateway that is served beside it", async () => {
    const ledger = await temporaryFile("ledger.ndjson");
    const simulator = `gateway --gateway-port 0 --ledger ${ledger} --decline-share 30%`;
    const serving = serve(broker.url, `${workers} ${simulator} --default-stock 20 ${hasty} --json`);
    await until(isServing);
    const { url } = JSON.parse(serving.stdout().split("\n")[0] ?? "").data;
    expect((await publish(300, "--wait")).exitCode).toBe(0);
    const { payments, refunds } = await expectBooksToBalance(url);
    expect(payments.filter(({ status }) => status === "DECLINED").length).toBeGreaterThan(50);
    expect(refunds.length).toBeGreaterThan(0);
    expect(await serving.stop()).toMatchObject({ exitCode: 0 });
  });

  it("charges nobody twice when answers are lost, errors come and calls time out", async () => {
    const { url } = await startSimulator();
    await setFaults(url, { drop_share: 0.2, error_share: 0.1 });
    const serving = serve(broker.url, `${workers} --gateway ${url} --default-stock 20 ${hasty}`);
    await until(isServing);
    expect((await publish(400, "--wait")).exitCode).toBe(0);
    // Answers that come too late: booked, but nobody hears of it before the call is made again.
    await setFaults(url, { latency_ms: 150 });
    const late = serve(broker.url, `payment --gateway ${url} --gateway-timeout 100ms ${hasty}`);
    await publish(50);
    await until(async () => (await readBooked(url, "charges")).length > 405);
    await setFaults(url, {});
    await until(async () => Object.keys(await readBacklog(connection)).length === 0, 30_000);
    const { payments, refunds } = await expectBooksToBalance(url);
    expect(payments).toHaveLength(450);
    expect(refunds.length).toBeGreaterThan(0);
    await Promise.all([late.stop(), serving.stop()]);
  });

  it("holds its orders through an outage, without using up their attempts, and ends them all after it", async () => {
    const { url } = await startSimulator();
    await setFaults(url, { outage: true });
    const words = `${workers} --gateway ${url} --default-stock 20 ${hasty} --metrics-port 0 --json`;
    const serving = serve(broker.url, words);
    await until(isServing);
    const { metricsUrl } = JSON.parse(serving.stdout()).data;
    const metric = async (name: string, label: string) => {
      const text = await (await fetch(`${metricsUrl}/metrics`)).text();
      return Number(text.match(new RegExp(`^${name}\\{[^}]*="${label}"[^}]*\\} (\\d+)`, "m"))?.[1]);
    };
    const breaker = () => metric("orderctl_breaker_state", "PaymentService");
    const failedCalls = () => metric("orderctl_gateway_duration_seconds_count", "unavailable");
    expect(await breaker()).toBe(0);
    await publish(200);
    await until(async () => (await breaker()) === 2);
    // It takes no more than it holds, and leaves the rest to the stream.
    await until(async () => (await consumer()).num_waiting === 0);
    const held = await consumer();
    expect(held.num_pending).toBeGreaterThan(100);
    expect(held.num_ack_pending).toBeLessThanOrEqual(32 + 5);
    const probedTwice = (await failedCalls()) + 2 * 3;
    await until(async () => (await failedCalls()) >= probedTwice);
    expect((await consumer()).num_redelivered).toBeLessThanOrEqual(5);
    expect(await readBooked(url, "charges")).toEqual([]);

    await setFaults(url, {});
    await until(async () => Object.keys(await readBacklog(connection)).length === 0, 30_000);
    const { log, payments, refunds } = await expectBooksToBalance(url);
    expect(payments).toHaveLength(200);
    expect(refunds.length).toBeGreaterThan(0);
    expect(eventsOf(log, "notifications")).toHaveLength(200);
    const attempts = log.map(({ hop }) => hop?.attempt ?? 1);
    // The failures that opened it, and no other.
    expect(Math.max(...attempts)).toBe(2);
    expect(attempts.filter((attempt) => attempt > 1).length).toBeLessThanOrEqual(5);
    expect(await breaker()).toBe(0);

    const ran = await serving.stop();
    const said = ran.stderr.split("\n").filter((line) => line.includes("PaymentService"));
    expect(said.at(0)).toMatch(
      /"level":"warn".*open after 6 failures in a row: charge at .*503 Service Unavailable.*; probing in 0.3 s/,
    );
    expect(said.at(-1)).toMatch(/"level":"info".*closed again after/);
  });

  it("stops at once while the breaker is open, and hands back what it holds", async () => {
    const { url } = await startSimulator();
    await setFaults(url, { outage: true });
    const words = `payment --gateway ${url} ${hasty} --breaker-open 1m`;
    await publish(100);
    const serving = serve(broker.url, words);
    await until(async () => (await consumer().catch(() => undefined))?.num_ack_pending === 32);
    await until(async () => (await consumer()).num_waiting === 0);
    const startedAt = performance.now();
    const ran = await serving.stop();
    expect(performance.now() - startedAt).toBeLessThan(5000);
    expect(ran.exitCode).toBe(0);
    expect(ran.stderr).toContain("PaymentService: open after");
    // Handed back, not left to time out: the next one has all of it at once.
    await setFaults(url, {});
    const next = serve(broker.url, `${workers} --gateway ${url} ${hasty}`);
    await until(async () => eventsOf(await readLog(connection), "notifications").length === 100, 15_000);
    await expectBooksToBalance(url);
    await next.stop();
  });

  it("sends each call's own trace context along", async () => {
    const sink = await openOtlpSink();
    const answers = [saying(503), saying(201, { charge_id: "ch_1" })];
    const provider = await startProvider((response) => answers[provider.received.length - 1]?.(response));
    vi.stubEnv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", `${sink.url}/v1/traces`);
    vi.stubEnv("OTEL_BSP_SCHEDULE_DELAY", "50");
    const env = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${sink.url}/v1/traces` };
    const serving = serve(broker.url, `${workers} --gateway ${provider.url} ${hasty}`, env);
    await until(isServing);
    await runCommand(`publish order --count 1 --wait --server ${broker.url}`, { env });
    await serving.stop();
    const calls = sink.spans.filter(({ name }) => name === "gateway charge");
    expect(provider.received.map(({ headers }) => headers.traceparent)).toEqual(
      calls.map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`),
    );
    expect(calls.map(({ attributes }) => attributes["orderctl.attempt"])).toEqual([1, 2]);
  });
});
