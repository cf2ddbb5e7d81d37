import { afterEach, beforeEach, expect, it } from "vitest";
import { openOrderApi } from "../../../src/orders/api/order-api.ts";
import { freeze, thaw } from "../../support/freeze.ts";
import { startLameBroker, stopLamely } from "../../support/lame-duck.ts";
import { until } from "../../support/until.ts";
import { type OrderWorld, openOrderWorld } from "./order-world.ts";

let world: OrderWorld;
beforeEach(async () => {
  world = await openOrderWorld({ window: 1 });
});
afterEach(async () => {
  resume();
  await world.close();
});

/** The broker keeps its connections and answers nothing, as behind a network that is cut. */
const hang = () => freeze(world.broker.pid);
const resume = () => thaw(world.broker.pid);

/** The window of one is taken by the order that was posted. */
const untilUnderWay = () => until(() => world.publisher.isFull);

const order = { order_id: "o-1", total_amount: 5 };

// It used to be answered 503 at once, also in the moment that a broker takes to be restarted.
it("holds an order while the broker is away, and answers 201 when it is back", async () => {
  await world.broker.kill();
  await until(() => !world.connection.isConnected());
  const posted = world.post(order);
  await untilUnderWay();
  expect(await world.get("/orders/o-1")).toMatchObject({ status: 503 });
  expect(await world.get("/readyz")).toMatchObject({ status: 503, body: { ready: false } });
  expect(await world.get("/healthz")).toMatchObject({ status: 200, body: { status: "ok" } });
  const another = await world.post({ ...order, order_id: "o-2" });
  // As many as the window has places are held, and no more.
  expect([another.status, another.headers.get("retry-after")]).toEqual([503, "1"]);

  await world.broker.restart();
  expect(await posted).toMatchObject({ status: 201 });
  expect(await world.get("/readyz")).toMatchObject({ status: 200, body: { ready: true } });
  expect((await world.get("/orders/o-2")).status).toBe(404);
});

it("answers 503 after its patience where the broker stays away, and never stores that order later", async () => {
  await world.close();
  world = await openOrderWorld({ patienceMs: 300 });
  await world.broker.kill();
  await until(() => !world.connection.isConnected());
  const { status, headers, body } = await world.post(order);
  expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
  expect(body).toMatchObject({
    code: "unavailable",
    detail: expect.stringContaining("is not stored"),
    order_id: "o-1",
  });
  await world.broker.restart();
  await until(() => world.connection.isConnected());
  expect((await world.get("/orders/o-1")).status).toBe(404);
  expect(await world.post(order)).toMatchObject({ status: 201 });
});

it.for([
  "SIGUSR2",
  "SIGTERM",
] as const)("answers every order with 201 through an orderly stop of the broker: %s", async (signal) => {
  await world.close();
  world = await openOrderWorld({ broker: startLameBroker() });
  const ids: string[] = [];
  let isBack = false;
  const customer = async (name: string) => {
    for (let more = 3; more > 0; more -= isBack ? 1 : 0) {
      const orderId = `${name}-${ids.length}`;
      ids.push(orderId);
      expect(await world.post({ ...order, order_id: orderId })).toMatchObject({ status: 201 });
    }
  };
  const customers = Promise.all(["a", "b", "c"].map(customer));
  await stopLamely(world.broker, signal);
  await world.broker.restart();
  isBack = true;
  await customers;
  const states = await Promise.all(ids.map(async (id) => (await world.get(`/orders/${id}`)).status));
  expect(new Set(states)).toEqual(new Set([200]));
});

it("answers 503 when the broker does not answer in time; sending the order again then settles it", async () => {
  await world.close();
  world = await openOrderWorld({ patienceMs: 300 });
  await hang();
  const { status, headers, body } = await world.post({ total_amount: 5 });
  expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
  expect(body).toMatchObject({ code: "timeout", detail: expect.stringContaining("may be stored") });
  const orderId = body.order_id;
  resume();
  await until(async () => (await world.get(`/orders/${orderId}`)).status === 200);
  expect(await world.post({ order_id: orderId, total_amount: 5 })).toMatchObject({ status: 200 });
});

it("answers 503 with a longer wait when the log is full, and loses nothing that was taken", async () => {
  expect((await world.post(order)).status).toBe(201);
  await world.connection.jsm.streams.update("ORDERS", { max_msgs: 1 });
  const { status, headers, body } = await world.post({ order_id: "o-2", total_amount: 5 });
  expect([status, headers.get("retry-after")]).toEqual([503, "30"]);
  expect(body).toMatchObject({ code: "stream_full" });
  expect((await world.get("/orders/o-1")).status).toBe(200);
  expect((await world.get("/orders/o-2")).status).toBe(404);
});

it("answers 503 when there is no order log", async () => {
  await world.connection.jsm.streams.delete("ORDERS");
  expect(await world.post(order)).toMatchObject({ status: 503, body: { code: "unavailable" } });
  expect(await world.get("/orders/o-1")).toMatchObject({ status: 503 });
});

it("finishes the request under way when it stops, and takes no other", async () => {
  await hang();
  const posted = world.post(order);
  await untilUnderWay();
  const stopped = world.api.stop(10_000);
  await expect.poll(() => world.get("/healthz").catch(() => "refused")).toBe("refused");
  resume();
  const { status, headers } = await posted;
  expect([status, headers.get("connection")]).toEqual([201, "close"]);
  await stopped;
});

it("cuts off at its deadline what does not finish", async () => {
  await hang();
  const posted = world.post(order).catch((error: unknown) => error);
  await untilUnderWay();
  const startedAt = performance.now();
  await world.api.stop(200);
  expect(performance.now() - startedAt).toBeLessThan(2000);
  expect(await posted).toBeInstanceOf(Error);
});

it("does not wait for connections that are only kept open", async () => {
  await world.post(order);
  const startedAt = performance.now();
  await world.api.stop(10_000);
  expect(performance.now() - startedAt).toBeLessThan(2000);
});

it("tells when the port is taken", async () => {
  const port = Number(new URL(world.api.url).port);
  const orders = { isReady: () => true, place: () => Promise.reject(), read: async () => undefined };
  const opening = openOrderApi({ host: "127.0.0.1", port, orders, note: () => {} });
  await expect(opening).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining(`${port}`),
  });
});
