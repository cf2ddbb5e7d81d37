import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readTrace } from "../../src/collector/read-trace.ts";
import { type Collector, startCollector } from "../../src/collector/start-collector.ts";
import { OrderctlError } from "../../src/core/errors.ts";
import { flowTopology } from "../../src/flow/flow-topology.ts";
import { readKey } from "../../src/flow/key-log.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { orderShape } from "../../src/orders/flow.ts";
import { Breaker, createBreakingGateway } from "../../src/orders/gateway/breaker.ts";
import type { PaymentGateway } from "../../src/orders/gateway/gateway.ts";
import { subjectOf } from "../../src/orders/subjects.ts";
import { encodeEvent } from "../../src/orders/wire/codec.ts";
import { startTelemetry } from "../../src/telemetry/telemetry.ts";
import type { OrderTrace } from "../../src/trace/picture.ts";
import { event } from "../orders/order-log.ts";
import { openLogWriter } from "../support/log-writer.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { orderLog } from "../support/order-log.ts";
import { runCommand } from "../support/run-command.ts";
import { serve } from "../support/serving.ts";
import { startServices } from "../support/start-services.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

const openMs = 400;
const traceIds = { traced: `${"0".repeat(30)}a1`, untraced: `${"0".repeat(30)}b2` };

let broker: TestBroker;
let connection: Connection;
let collector: Collector;

const trace = async (id: string, ...flags: string[]): Promise<string> =>
  (await runCommand(["trace", id, "-s", broker.url, ...flags], { columns: 80 })).stdout;

const traceJson = async (id: string): Promise<OrderTrace> => JSON.parse(await trace(id, "--json")).data;

async function create(id: "traced" | "untraced", flags: string): Promise<void> {
  const publisher = new Publisher(connection);
  const headers = { traceparent: `00-${traceIds[id]}-00000000000000aa-${flags}` };
  const payload = encodeEvent(event("created", id));
  await publisher.publish({ subject: subjectOf("created", id), payload, headers });
  publisher.close();
}

/** Fails for the first call of each order, which opens the breaker. */
function failingOnce(): PaymentGateway {
  const seen = new Set<string>();
  return {
    async charge({ idempotencyKey, watch }) {
      const call = watch?.("charge", 1);
      const error = seen.has(idempotencyKey) ? undefined : new OrderctlError("unavailable", "503");
      seen.add(idempotencyKey);
      call?.end(error);
      if (error) throw error;
      return { status: "APPROVED", chargeId: `ch_${idempotencyKey}` };
    },
    refund: async () => ({ refundId: "re" }),
  };
}

/** Real services with a breaker around what they pay with. */
beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  await applyTopology(connection, flowTopology(orderShape));
  collector = await startCollector(connection, { host: "127.0.0.1", port: 0, note: () => {} });
  const telemetry = await startTelemetry({
    ...{ env: {}, service: "orderctl", instance: "box-1", version: "0.0.0", note: () => {} },
    ...{ collector: collector.url, tracesPerSecond: 100, prometheus: false },
  });
  const breaker = new Breaker({ name: "PaymentService", failures: 0, openMs, note: () => {} });
  const gateway = createBreakingGateway(failingOnce(), breaker);
  const services = await startServices(connection, undefined, {
    gateway,
    telemetry,
    breaker,
  });
  const hasEnded = async (id: string) => (await readKey(orderLog(connection), id)).events.length === 5;
  for (const [id, flags] of [
    ["traced", "01"],
    ["untraced", "00"],
  ] as const) {
    await create(id, flags);
    await until(() => hasEnded(id), 20_000);
  }
  await services.stop(5000);
  await telemetry.stop(5000);
  await until(async () => (await readTrace(connection, traceIds.traced)).spans.length > 0);
});

afterAll(async () => {
  await collector.stop(1000);
  await connection.close();
  await broker.stop();
});

// The wait used to be shown as the work of payment.
describe("a delivery that was held behind an open breaker", () => {
  it.each(["traced", "untraced"] as const)("is shown as waiting for the provider: %s", async (id) => {
    const text = await trace(id);
    expect(text).toMatch(/\n└ payment .*░░░░/);
    expect(text).toMatch(/░░ waiting for PaymentService \(breaker\) \d+ ms \(\d\d%\)/);
    expect(text).toMatch(/\n\d\d% of the time: waiting for PaymentService \(breaker\)/);
  });

  it.each(["traced", "untraced"] as const)("is no work in --json: %s", async (id) => {
    const { hops, rows, criticalPath } = await traceJson(id);
    const [, payment] = hops;
    expect(payment).toMatchObject({ kind: "payments", attempt: 1, heldBy: "PaymentService" });
    expect(payment?.heldMs).toBeGreaterThan(openMs * 0.9);
    expect(payment?.workedMs).toBeLessThan(openMs / 2);
    const { waitedMs, workedMs, heldMs, storingMs, elapsedMs } = payment ?? {};
    expect(
      [waitedMs, workedMs, heldMs, storingMs].reduce<number>((sum, ms) => sum + (ms ?? 0), 0),
    ).toBeCloseTo(elapsedMs ?? 0, 3);
    expect(criticalPath).toMatchObject({
      heldBy: "PaymentService",
      largest: { what: "waiting for PaymentService (breaker)" },
    });
    expect(criticalPath.heldMs).toBeGreaterThan(openMs * 0.9);
    const row = rows.find(({ label }) => label === "payment");
    expect(row).toMatchObject({
      heldBy: "PaymentService",
      segments: expect.arrayContaining([expect.objectContaining({ as: "held" })]),
    });
  });

  it("has a span that says so, where it was sampled", async () => {
    const { spans } = await readTrace(connection, traceIds.traced);
    const wait = spans.find(({ name }) => name === "wait for PaymentService");
    expect(wait).toMatchObject({
      kind: "INTERNAL",
      attributes: { "orderctl.breaker": "PaymentService", "order.id": "traced" },
    });
    expect(await trace("traced")).toMatch(/\n {2}├ wait for PaymentService .*░░/);
  });

  it("shows in ASCII as well", async () => {
    const { stdout } = await runCommand(["trace", "untraced", "-s", broker.url], {
      columns: 80,
      env: { LANG: "C" },
    });
    expect(stdout).toMatch(/:: waiting for PaymentService \(breaker\)/);
  });
});

describe("an order that waits behind an open breaker", () => {
  it("says so and since when, as long as every process that could work on it has it open", async () => {
    const outage = "--gateway-errors 1 --breaker-failures 0 --breaker-open 10m --gateway-backoff 1ms";
    const serving = serve(broker.url, `payment ${outage}`);
    const writer = await openLogWriter(connection);
    await writer.store(event("created", "held"));
    writer.close();
    const headline = async () => (await trace("held")).split("\n")[0];
    await until(async () => (await headline())?.includes("PaymentService (breaker)") ?? false, 20_000);
    const text = await trace("held");
    expect(text).toMatch(/^order held waiting for PaymentService \(breaker\), /);
    expect(text).toMatch(/waiting for PaymentService \(breaker open since \d\d:\d\d:\d\dZ\)/);
    expect(text).toMatch(/\n└ payment .*░.* waiting for PaymentService \(breaker\)/);
    const { breaker, rows } = await traceJson("held");
    expect(breaker).toEqual({
      name: "PaymentService",
      openSince: expect.any(String),
      openForMs: expect.any(Number),
    });
    expect(rows.at(-1)).toMatchObject({ is: "pending", heldBy: "PaymentService" });
    const other = serve(broker.url, "payment --instance other");
    await until(
      async () => (await headline())?.startsWith("order held waiting for payment, ") ?? false,
      20_000,
    );
    await Promise.all([serving.stop(), other.stop()]);
  });
});
