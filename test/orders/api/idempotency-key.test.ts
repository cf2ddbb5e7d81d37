import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KeyMemory } from "../../../src/orders/api/idempotency-key.ts";
import { type OrderWorld, openOrderWorld } from "./order-world.ts";

let world: OrderWorld;
beforeAll(async () => {
  world = await openOrderWorld();
});
afterAll(() => world.close());

const order = { customer_id: "c-1", lines: [{ sku: "MUG-003", quantity: 2, unit_price: "4.20" }] };
const post = (body: unknown, key: string) => world.post(body, { "idempotency-key": key });
const storedOrders = async () => (await world.connection.jsm.streams.info("ORDERS")).state.messages;

describe("POST /orders with an Idempotency-Key", () => {
  // Each request used to make an order of its own.
  it("stores one order, under the key, however often it is sent", async () => {
    const before = await storedOrders();
    const answers = [await post(order, "key-1"), await post(order, "key-1"), await post(order, '"key-1"')];
    expect(answers.map(({ status }) => status)).toEqual([201, 200, 200]);
    for (const { headers, body } of answers) {
      expect(headers.get("location")).toBe("/orders/key-1");
      expect(body).toEqual(answers[0]?.body);
    }
    expect(await storedOrders()).toBe(before + 1);
  });

  it("stores one order when twenty requests with it race", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(order, "key-race")));
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(19).fill(200), 201]);
  });

  it("answers 422 to another body, whose order is not stored", async () => {
    await post(order, "key-2");
    const before = await storedOrders();
    const others = [
      { ...order, customer_id: "c-2" },
      { ...order, order_id: "key-2-other" },
      { total_amount: 1 },
    ];
    for (const other of others) {
      const { status, headers, body } = await post(other, "key-2");
      expect(status).toBe(422);
      expect(headers.get("content-type")).toContain("application/problem+json");
      expect(body).toMatchObject({
        title: "Unprocessable Entity",
        code: "idempotency_key_reused",
        order_id: "key-2",
      });
    }
    expect(await storedOrders()).toBe(before);
  });

  it("leads to the order that the body names, and to no other", async () => {
    const named = { ...order, order_id: "named-1" };
    const statuses = [
      await post(named, "key-3"),
      await post(named, "key-3"),
      await post({ ...named, customer_id: "c-2" }, "key-3"),
      await post({ ...order, order_id: "named-2" }, "key-3"),
      await post(order, "key-3"),
    ];
    expect(statuses.map(({ status }) => status)).toEqual([201, 200, 422, 422, 422]);
    expect((await world.get("/orders/named-2")).status).toBe(404);
  });

  it("makes a UUID of a key that is no order id, the same in every process", async () => {
    const key = "2026-11-28T10:00:00Z till 7, receipt 12";
    const { status, body } = await post(order, `"${key}"`);
    expect([status, body.order_id]).toEqual([201, "083a1937-df2d-57b9-a310-8932daf68e02"]);
    expect((await post(order, `"${key}"`)).body).toEqual(body);
  });

  it("stores nothing, and uses no key up, for an order that cannot be", async () => {
    expect((await post({ ...order, colour: "red" }, "key-4")).status).toBe(422);
    expect((await post(order, "key-4")).status).toBe(201);
  });

  it.each([
    "",
    '""',
    "two words",
    "a,b",
    "a;b",
    '"open',
    '"a"; q=1',
    "x".repeat(256),
    "caf\u00e9",
  ])("is refused with 400 where it is none: %j", async (key) => {
    const { status, body } = await post(order, key);
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: "invalid_idempotency_key" });
  });
});

it("remembers the last ten thousand keys", () => {
  const keys = new KeyMemory();
  for (let at = 0; at <= 10_000; at++) expect(keys.claim(`k-${at}`, "a")).toBe("a");
  expect(keys.claim("k-1", "b")).toBe("a");
  expect(keys.claim("k-0", "b")).toBe("b");
});
