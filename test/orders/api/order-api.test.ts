import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readLast } from "../../../src/jetstream/streams/read-message.ts";
import { subjectOf } from "../../../src/orders/subjects.ts";
import { decodeEvent } from "../../../src/orders/wire/codec.ts";
import { decodeHop, hopHeader } from "../../../src/telemetry/hop.ts";
import { startServices } from "../../support/start-services.ts";
import { until } from "../../support/until.ts";
import { type OrderWorld, openOrderWorld } from "./order-world.ts";

let world: OrderWorld;
beforeAll(async () => {
  world = await openOrderWorld();
});
afterAll(() => world.close());

const lines = [{ sku: "MUG-003", quantity: 2, unit_price: "4.20" }];

async function readCreated(orderId: string) {
  const subject = subjectOf("created", orderId);
  const stored = await readLast(world.connection, "ORDERS", subject);
  if (!stored) throw new Error(`${subject} is not stored`);
  return { ...stored, event: decodeEvent(subject, stored.payload) };
}

describe("POST /orders", () => {
  it("stores the order and tells where to follow it", async () => {
    const { status, headers, body } = await world.post({ order_id: "p-1", customer_id: "c-1", lines });
    expect(status).toBe(201);
    expect(headers.get("location")).toBe("/orders/p-1");
    const { event, sequence } = await readCreated("p-1");
    expect(body).toEqual({
      order_id: "p-1",
      status: "created",
      waiting_for: "payment",
      sequence,
      total: { amount_minor: 840, currency: "USD" },
    });
    expect(event).toEqual({
      kind: "created",
      orderId: "p-1",
      customerId: "c-1",
      lines: [{ sku: "MUG-003", quantity: 2, unitPriceMinor: 420 }],
      total: { amountMinor: 840, currency: "USD" },
      createdAtUs: null,
    });
  });

  it("gives an order without an id one that sorts by time", async () => {
    const first = await world.post({ total_amount: 5 });
    const second = await world.post({ total_amount: 5 });
    expect(first.body.order_id).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(String(second.body.order_id) > String(first.body.order_id)).toBe(true);
    expect(first.headers.get("location")).toBe(`/orders/${first.body.order_id}`);
  });

  it("answers 200 when the same order comes again, and stores nothing more", async () => {
    const order = { order_id: "p-2", lines, created_at_us: 1_709_281_560_000_000 };
    const first = await world.post(order);
    const again = await world.post(order);
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.body).toEqual(first.body);
    expect((await readCreated("p-2")).sequence).toBe(first.body.sequence);
  });

  it("takes an order for the same one whenever it was created", async () => {
    const order = { order_id: "p-2-later", total_amount: "10.00" };
    expect((await world.post({ ...order, created_at_us: 1 })).status).toBe(201);
    expect((await world.post({ ...order, created_at_us: 2 })).status).toBe(200);
  });

  it("answers 409 when another order has the id, which stays as it is", async () => {
    await world.post({ order_id: "p-3", total_amount: "10.00" });
    const { status, headers, body } = await world.post({ order_id: "p-3", total_amount: "10.01" });
    expect(status).toBe(409);
    expect(headers.get("content-type")).toContain("application/problem+json");
    expect(body).toMatchObject({ title: "Conflict", status: 409, field: "order_id", order_id: "p-3" });
    expect((await readCreated("p-3")).event).toMatchObject({ total: { amountMinor: 1000 } });
  });

  it("stores one order when twenty requests with its id race", async () => {
    const order = { order_id: "p-race", lines };
    const answers = await Promise.all(Array.from({ length: 20 }, () => world.post(order)));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array(19).fill(200), 201]);
    expect(new Set(answers.map(({ body }) => body.sequence)).size).toBe(1);
  });

  it("says in the hop header who stored the order and when", async () => {
    const before = Date.now() * 1000;
    await world.post({ order_id: "p-4", lines });
    const hop = decodeHop((await readCreated("p-4")).header(hopHeader));
    expect(hop).toMatchObject({ causeSequence: null, service: "order", instance: "host-1", attempt: 1 });
    expect(Math.abs((hop?.receivedAtUs ?? 0) - before)).toBeLessThan(2_000_000);
  });

  it("hands the caller's trace context on", async () => {
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    await world.post({ order_id: "p-5", lines }, { traceparent, tracestate: "vendor=1" });
    const { header } = await readCreated("p-5");
    expect([header("traceparent"), header("tracestate")]).toEqual([traceparent, "vendor=1"]);
  });

  it.each([
    "not-a-traceparent",
    "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
  ])("takes the order and drops the malformed trace context %s", async (traceparent) => {
    const { status, body } = await world.post({ lines }, { traceparent, tracestate: "vendor=1" });
    expect(status).toBe(201);
    const { header } = await readCreated(String(body.order_id));
    expect([header("traceparent"), header("tracestate")]).toEqual([undefined, undefined]);
  });
});

describe("GET /orders/<id>", () => {
  it("tells what an order waits for and what happened to it", async () => {
    const { body: receipt } = await world.post({ order_id: "g-1", customer_id: "c-1", lines });
    const { status, body } = await world.get("/orders/g-1");
    expect(status).toBe(200);
    expect(body).toEqual({
      order_id: "g-1",
      status: "created",
      waiting_for: "payment",
      outcome: null,
      ended: false,
      since: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      total: { amount_minor: 840, currency: "USD" },
      events: [{ kind: "created", sequence: receipt.sequence, stored_at: body.since, customer_id: "c-1" }],
    });
  });

  it("follows an order to its end, and the same order posted again answers with it", async () => {
    const services = await startServices(world.connection);
    const order = { order_id: "g-2", lines };
    await world.post(order);
    await until(async () => (await world.get("/orders/g-2")).body.ended === true);
    const { body } = await world.get("/orders/g-2");
    expect(body).toMatchObject({ status: "shipped", waiting_for: null, outcome: "SHIPPED" });
    expect(body.events).toMatchObject([
      { kind: "created" },
      { kind: "payments", status: "APPROVED", charge_id: "ch_g-2" },
      { kind: "reservations", status: "RESERVED", missing_skus: [] },
      { kind: "shipments", carrier: "parcel" },
      { kind: "notifications", type: "SHIPPED", channel: "email" },
    ]);
    const again = await world.post(order);
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({ status: "shipped", waiting_for: null });
    await services.stop(5000);
  });

  it("answers 404 for an order that nobody placed", async () => {
    const { status, body } = await world.get("/orders/nobody");
    expect(status).toBe(404);
    expect(body).toMatchObject({ title: "Not Found", detail: "there is no order with this id" });
  });

  it.each(["a.b", "*", "%3E", "a%20b", "x".repeat(65)])("answers 400 for the id %s", async (id) => {
    const { status, headers, body } = await world.get(`/orders/${id}`);
    expect(status).toBe(400);
    expect(headers.get("content-type")).toContain("application/problem+json");
    expect(body).toMatchObject({ code: "invalid_id", field: "order_id" });
  });
});
