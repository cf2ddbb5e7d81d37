import { beforeEach, expect, it, onTestFinished } from "vitest";
import { OrderctlError } from "../../../src/core/errors.ts";
import { type LogWriter, openLogWriter } from "../../support/log-writer.ts";
import { until } from "../../support/until.ts";
import { event, ways } from "../order-log.ts";
import { type OrderWorld, openOrderWorld } from "./order-world.ts";

let world: OrderWorld;
let writer: LogWriter;

const open = async (setting: Parameters<typeof openOrderWorld>[0] = {}) => {
  world = await openOrderWorld({ patienceMs: 2000, ...setting });
  onTestFinished(() => world.close());
  writer = await openLogWriter(world.connection);
  onTestFinished(() => writer.close());
};

beforeEach(() => open());

const order = { order_id: "o-1", customer_id: "c-1", total_minor: 840, currency: "USD" };
const stored = event("created", "o-1", { lines: [], total: { amountMinor: 840, currency: "USD" } });
const later = ways.SHIPPED("o-1").slice(1);

const lastSequence = async () => (await world.connection.jsm.streams.info("ORDERS")).state.last_seq;

it.each([1, 3, 5])("answers with an order of which %d events are archived, whoever asks", async (movedTo) => {
  await writer.store(stored, ...later);
  await world.archive.moveAndPurge(movedTo);
  const found = await world.get("/orders/o-1");
  expect(found).toMatchObject({ status: 200, body: { order_id: "o-1", status: "shipped" } });
  const again = await world.post(order);
  expect(again).toMatchObject({ status: 200, body: { order_id: "o-1", status: "shipped", sequence: 1 } });
  const other = await world.post({ ...order, total_minor: 841 });
  expect(other).toMatchObject({ status: 409, body: { code: "order_exists", field: "order_id" } });
  expect(await lastSequence()).toBe(5);
  expect(world.notes).toEqual([]);
});

it("answers 503, and says why to the operator, where an order's archived events cannot be read", async () => {
  await writer.store(stored, ...later);
  await world.archive.moveAndPurge(2);
  world.archive.isAway = true;
  for (const answer of [await world.get("/orders/o-1"), await world.post(order)]) {
    expect(answer).toMatchObject({ status: 503, body: { code: "unavailable" } });
    expect(answer.headers.get("retry-after")).toBe("1");
  }
  expect(world.notes).toEqual([
    "order o-1: memory: cannot read ORDERS.parquet",
    "order o-1: cannot tell whether o-1 is archived: memory: cannot read ORDERS.parquet",
  ]);
  expect(await lastSequence()).toBe(5);
  // Others go on.
  expect(await world.post({ ...order, order_id: "o-2" })).toMatchObject({ status: 201 });
  expect(await world.get("/orders/o-3")).toMatchObject({ status: 404 });
});

it("answers 410 for an order that was pruned, and takes no other under its id", async () => {
  await writer.store(stored);
  await world.archive.moveAndPurge(1);
  world.archive.readKey = async () => {
    throw new OrderctlError("not_found", "messages 1 to 1 were archived and pruned", { source: "store" });
  };
  expect(await world.get("/orders/o-1")).toMatchObject({ status: 410, body: { code: "pruned" } });
  expect(await world.post(order)).toMatchObject({ status: 409, body: { code: "order_exists" } });
  expect(await lastSequence()).toBe(1);
});

it("holds orders while it is not known what is archived because the broker is away, as many as may wait", async () => {
  let isKnown = true;
  const keysOf = () => ({
    isCertain: () => isKnown,
    isRead: () => isKnown,
    findFirst: () => undefined,
    problems: () => [],
    stop: () => {},
  });
  await open({ window: 2, patienceMs: 20_000, keysOf });
  await world.broker.kill();
  await until(() => !world.connection.isConnected());
  isKnown = false;
  const statuses: number[] = [];
  const posts = ["a", "b", "c"].map(async (id) => {
    statuses.push((await world.post({ ...order, order_id: id })).status);
  });
  await until(() => statuses.length > 0);
  expect(statuses).toEqual([503]);
  await world.broker.restart();
  await until(() => world.connection.isConnected());
  isKnown = true;
  await Promise.all(posts);
  expect(statuses).toEqual([503, 201, 201]);
  expect(world.notes).toEqual([]);
});
