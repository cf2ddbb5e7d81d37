import { expect, it, onTestFinished } from "vitest";
import { generateOrders } from "../../../src/orders/publish/open-order-source.ts";
import { feed } from "../../../src/publish/feed.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { orderLog } from "../../support/order-log.ts";
import { readBacklog, readLog } from "../../support/read-log.ts";
import { startServices } from "../../support/start-services.ts";
import { startTestBroker } from "../../support/start-test-broker.ts";
import { until } from "../../support/until.ts";
import { readShelf, reservedUnits, unitsToGiveBack } from "./shelf-and-log.ts";

const defaultStock = 12;

it("is never oversold by two inventories, and the shelf agrees with the log", async () => {
  const broker = await startTestBroker();
  onTestFinished(() => broker.stop());
  const connections = [await openTestConnection(broker.url), await openTestConnection(broker.url)] as const;
  onTestFinished(async () => void (await Promise.all(connections.map((each) => each.close()))));
  const [connection, other] = connections;
  const first = await startServices(connection, undefined, { defaultStock, instance: "one" });
  const second = await startServices(other, ["inventory"], { defaultStock, instance: "two" });
  const { report } = await feed(orderLog(connection), generateOrders(400, 3).orders, {
    origin: { service: "publish", instance: "test" },
    window: 64,
    waitMs: 10_000,
    signal: new AbortController().signal,
  });
  await Promise.all([first.stop(5000), second.stop(5000)]);
  expect(report.endings).toMatchObject({ ended: 400 });
  expect(report.endings?.outcomes.REFUNDED).toBeGreaterThan(50);
  await until(async () => Object.keys(await readBacklog(connection)).length === 0, 2000);

  const log = await readLog(connection);
  const reservations = log.filter(({ event }) => event.kind === "reservations");
  expect(new Set(reservations.map(({ hop }) => hop?.instance))).toEqual(new Set(["one", "two"]));
  const reserved = reservedUnits(log);
  const shelf = await readShelf(connection);
  expect(Math.max(...reserved.values())).toBe(defaultStock);
  expect([...reserved.keys()].filter((sku) => !shelf.has(sku))).toEqual([]);
  for (const [sku, stock] of shelf) {
    expect(stock.available).toBeGreaterThanOrEqual(0);
    expect({ sku, stocked: stock.available + stock.reserved }).toEqual({ sku, stocked: defaultStock });
    const kept = stock.reserved - unitsToGiveBack(log, stock);
    expect({ sku, kept }).toEqual({ sku, kept: reserved.get(sku) ?? 0 });
  }
});
