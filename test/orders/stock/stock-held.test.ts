import { expect, it, onTestFinished } from "vitest";
import { readDeadLetters } from "../../../src/dead-letters/dead-letters.ts";
import { announceProcess } from "../../../src/flow/process-status.ts";
import { readServiceLag } from "../../../src/lag/service-lag.ts";
import { generateOrders } from "../../../src/orders/publish/open-order-source.ts";
import { readStock } from "../../../src/orders/stock/read-stock.ts";
import { setStock } from "../../../src/orders/stock/set-stock.ts";
import { feed } from "../../../src/publish/feed.ts";
import { brokerOfTest } from "../../support/broker-of-test.ts";
import { created } from "../../support/handler-context.ts";
import { openLogWriter } from "../../support/log-writer.ts";
import { orderLog } from "../../support/order-log.ts";
import { readBacklog, readLog } from "../../support/read-log.ts";
import { startServices } from "../../support/start-services.ts";
import { until } from "../../support/until.ts";
import { readShelf, reservedUnits } from "./shelf-and-log.ts";

// It used to be a dead letter at its first failure, and so was every paid order of that SKU.
it("holds a paid order whose stock cannot be read, says so once, keeps up no other, and goes on once it is repaired", async () => {
  const { connection } = await brokerOfTest();
  const log = await openLogWriter(connection);
  onTestFinished(() => log.close());
  await connection.nats.jetstream().publish("$KV.INVENTORY.TORN", "250");
  const notes: string[] = [];
  const note = (text: string) => notes.push(text);
  const services = await startServices(connection, undefined, { maxAttempts: 2, note });
  onTestFinished(() => services.stop(2000));
  const order = (orderId: string, sku: string) => ({
    ...created,
    orderId,
    lines: created.lines.map((line) => ({ ...line, sku })),
  });
  const held = ["held-1", "held-2", "held-3"];
  await log.store(...held.map((orderId) => order(orderId, "TORN")), order("free", "WHOLE"));
  await log.ended("free");
  await until(() => (services.counts()["inventory-reserver"]?.failed ?? 0) >= 9);
  expect(await readDeadLetters(orderLog(connection))).toEqual([]);
  const text =
    "the stock of TORN cannot be read: its entry is not as orderctl writes it: " +
    "`orderctl inventory set TORN=<units>` writes it anew";
  expect(services.problems()).toEqual([{ consumer: "inventory-reserver", text, forMs: expect.any(Number) }]);
  expect(notes.filter((each) => each.includes("TORN"))).toEqual([`inventory-reserver: ${text}`]);
  const processes = announceProcess(connection, () => ({
    ...{
      instance: "one",
      version: "1",
      services: ["inventory"],
      startedAt: "2026-03-01T12:00:00.000Z",
      uptimeMs: 0,
      stopping: false,
    },
    ...{ breakers: [], workers: [], ordersUrl: null, metricsUrl: null, spansTo: null, archive: null },
    problems: services.problems(),
  }));
  onTestFinished(() => processes.stop());
  const { consumers } = await readServiceLag(orderLog(connection), { stream: "ORDERS", intervalMs: 50 });
  const lag = consumers.find(({ consumer }) => consumer === "inventory-reserver");
  expect(lag?.reasons).toContain(text);
  await setStock(orderLog(connection), new Map([["TORN", 50]]));
  for (const orderId of held) await log.ended(orderId);
  expect(services.problems()).toEqual([]);
  const reserved = reservedUnits(await readLog(connection)).get("TORN");
  expect((await readShelf(connection)).get("TORN")).toMatchObject({ reserved });
});

// Holds end when somebody touches the SKU again: what nobody ordered any more used to be shown as held for ever.
it("tells nothing as held once nothing is under way, and what was given back as available", async () => {
  const { connection } = await brokerOfTest();
  const services = await startServices(connection, undefined, { defaultStock: 60 });
  const { report } = await feed(orderLog(connection), generateOrders(1500, 5).orders, {
    origin: { service: "publish", instance: "test" },
    window: 256,
    waitMs: 30_000,
    signal: new AbortController().signal,
  });
  expect(report.endings).toMatchObject({ ended: 1500 });
  expect(report.endings?.outcomes.REFUNDED).toBeGreaterThan(10);
  await until(async () => Object.keys(await readBacklog(connection)).length === 0);
  await services.stop(5000);
  const stored = await readShelf(connection);
  expect([...stored.values()].some(({ holds }) => holds.size > 0)).toBe(true);
  const reserved = reservedUnits(await readLog(connection));
  const levels = await readStock(orderLog(connection));
  expect(levels).toHaveLength(stored.size);
  for (const level of levels) {
    const taken = reserved.get(level.sku) ?? 0;
    expect(level).toEqual({ sku: level.sku, available: 60 - taken, reserved: taken, held: 0, error: null });
  }
});
