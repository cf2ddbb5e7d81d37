import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { observeLog } from "../../src/flow/observe-log.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { generateOrders } from "../../src/orders/publish/open-order-source.ts";
import { freeze, thaw } from "../support/freeze.ts";
import { openLogWriter } from "../support/log-writer.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { orderLog } from "../support/order-log.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";
import { byLabel, countsOf, openMetricWorld } from "../telemetry/metrics/metric-world.ts";

let broker: TestBroker;
let connection: Connection;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

/** What a program that has just been started shows of the log. */
async function readGauges(): Promise<{ shown: Map<string, number>; tookMs: number }> {
  const { metrics, samples } = openMetricWorld();
  observeLog(metrics, orderLog(connection));
  countsOf(metrics).payment({ status: "APPROVED", reason: "" });
  const startedAt = performance.now();
  const shown = await samples();
  return { shown, tookMs: performance.now() - startedAt };
}

const isOfLog = (series: string) => /^orderctl_(consumer|stream|dead)/.test(series);
const counted = 'orderctl_payments_total{outcome="approved"}';

describe("the log as metrics", () => {
  it("is absent where there is none, but for the dead letters that there are not", async () => {
    const { shown } = await readGauges();
    expect([...shown.keys()].filter(isOfLog)).toEqual(["orderctl_dead_letters"]);
    expect(shown.get("orderctl_dead_letters")).toBe(0);
  });

  it("shows who is behind, since when, and how much the stream holds", async () => {
    const log = await openLogWriter(connection);
    await log.store(...generateOrders(5, 1).orders);
    log.close();
    // A consumer learns a moment later than the publisher what the stream has stored.
    const behind = async () =>
      (await connection.jsm.consumers.info("ORDERS", "payment-processor")).num_pending;
    await until(async () => (await behind()) === 5);
    const { shown } = await readGauges();
    const pending = byLabel(shown, "orderctl_consumer_pending", "messaging_consumer_group_name");
    expect(pending["payment-processor"]).toBe(5);
    expect(pending["inventory-reserver"]).toBe(0);
    expect(Object.keys(pending)).toHaveLength(7);
    const ages = byLabel(shown, "orderctl_consumer_oldest_age_seconds", "messaging_consumer_group_name");
    expect(ages["payment-processor"]).toBeGreaterThan(0);
    expect(ages["inventory-reserver"]).toBe(0);
    expect(shown.get('orderctl_stream_messages{stream="ORDERS"}')).toBe(5);
    expect(shown.get('orderctl_stream_bytes{stream="ORDERS"}')).toBeGreaterThan(500);
  });

  it("has no series for a reader that goes with its process, and none any more for a consumer that is gone", async () => {
    const { jsm } = connection;
    const nobody = { ack_policy: "none" as never };
    await jsm.consumers.add("ORDERS", { ...nobody, name: "passing" } as never);
    await jsm.consumers.add("ORDERS", { ...nobody, durable_name: "staying" });
    const { metrics, samples } = openMetricWorld();
    observeLog(metrics, orderLog(connection));
    const has = async (name: string) => [...(await samples()).keys()].some((series) => series.includes(name));
    expect(await has("staying")).toBe(true);
    expect(await has("passing")).toBe(false);
    await jsm.consumers.delete("ORDERS", "staying");
    await jsm.consumers.delete("ORDERS", "passing");
    await until(async () => !(await has("staying")));
  });

  it("tells no age where it is not known which message is the oldest", async () => {
    const { jsm, nats } = connection;
    const config = { durable_name: "hasty", ack_policy: "explicit", max_deliver: 1, ack_wait: 100_000_000 };
    await jsm.consumers.add("ORDERS", config as never);
    const consumer = await nats.jetstream().consumers.get("ORDERS", "hasty");
    await consumer.next();
    const startedAt = performance.now();
    await until(() => performance.now() - startedAt > 500);
    await jsm.consumers.update("ORDERS", "hasty", { ack_wait: 60_000_000_000 });
    await consumer.next();
    const { shown } = await readGauges();
    const group = "messaging_consumer_group_name";
    expect(byLabel(shown, "orderctl_consumer_ack_pending", group).hasty).toBe(1);
    expect(byLabel(shown, "orderctl_consumer_oldest_age_seconds", group).hasty).toBeUndefined();
    await jsm.consumers.delete("ORDERS", "hasty");
  });

  it("counts dead letters that nobody has decided about, once each however often they are redriven", async () => {
    const store = (subject: string) => connection.nats.jetstream().publish(subject);
    await store("DEAD_LETTERS.payment.o-1");
    await store("DEAD_LETTERS.payment.o-2");
    expect((await readGauges()).shown.get("orderctl_dead_letters")).toBe(2);
    await store("REDRIVES.payment-processor.1-1000.1");
    await store("REDRIVES.payment-processor.1-1000.2");
    expect((await readGauges()).shown.get("orderctl_dead_letters")).toBe(1);
  });

  it("keeps nobody waiting while the broker hangs, and tells the rest", async () => {
    await freeze(broker.pid);
    try {
      const { shown, tookMs } = await readGauges();
      expect(tookMs).toBeLessThan(1500);
      expect([...shown.keys()].filter(isOfLog)).toEqual([]);
      expect(shown.get(counted)).toBe(1);
    } finally {
      thaw(broker.pid);
    }
  });

  it("is absent while the broker is away, without waiting for it, and there again afterwards", async () => {
    await broker.kill();
    await until(() => !connection.isConnected());
    const { shown, tookMs } = await readGauges();
    expect(tookMs).toBeLessThan(900);
    expect([...shown.keys()].filter(isOfLog)).toEqual([]);
    expect(shown.get(counted)).toBe(1);
    await broker.restart();
    await until(() => connection.isConnected());
    expect((await readGauges()).shown.get('orderctl_stream_messages{stream="ORDERS"}')).toBe(5);
  });
});
