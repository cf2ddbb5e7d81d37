import { headers as createHeaders } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readKey } from "../../src/flow/key-log.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { generateOrders } from "../../src/orders/publish/open-order-source.ts";
import { feed as feedLog } from "../../src/publish/feed.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { orderLog } from "../support/order-log.ts";
import { type Logged, readLog } from "../support/read-log.ts";
import { startServices } from "../support/start-services.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";

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

const feed = (count: number, seed: number) =>
  feedLog(orderLog(connection), generateOrders(count, seed).orders, {
    origin: { service: "publish", instance: "test" },
    window: 64,
    waitMs: 10_000,
    signal: new AbortController().signal,
  });

/** An order as the reference's producer writes it: `order_id = 1, customer_id = 2, total_amount = 4` and no more. */
function referenceOrder(orderId: string, customerId: string, totalAmount: number): Uint8Array {
  const text = (tag: number, value: string) => Buffer.from([tag, value.length, ...Buffer.from(value)]);
  const double = Buffer.alloc(9, 0x21);
  double.writeDoubleLE(totalAmount, 1);
  return Buffer.concat([text(0x0a, orderId), text(0x12, customerId), double]);
}

describe("the services", () => {
  it("carry an order of another program, with the reference's three fields only, to its end", async () => {
    const services = await startServices(connection);
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const headers = createHeaders();
    headers.set("traceparent", traceparent);
    const payload = referenceOrder("ref-1", "customer-9", 1234.565);
    await connection.nats.jetstream().publish("ORDERS.created.ref-1", payload, { headers });
    await feed(1, 1);
    await services.stop(5000);
    const { events: order } = await readKey(orderLog(connection), "ref-1");
    expect(order.map(({ event }) => event.kind)).toEqual([
      "created",
      "payments",
      "reservations",
      "shipments",
      "notifications",
    ]);
    const total = { amountMinor: 123_457, currency: "USD" };
    expect(order[0]?.event).toMatchObject({ customerId: "customer-9", total, lines: [], createdAtUs: null });
    expect(order[1]?.event).toMatchObject({ status: "APPROVED", total });
    const traced = (await readLog(connection)).filter(({ event }) => event.orderId === "ref-1");
    expect(new Set(traced.map((logged) => logged.traceparent))).toEqual(new Set([traceparent]));
  });

  it("say for every event which one caused it and who did the work", async () => {
    const services = await startServices(connection, undefined, { instance: "box-7" });
    await feed(20, 2);
    await services.stop(5000);
    const log = (await readLog(connection)).filter(({ hop }) => hop?.instance === "box-7");
    expect(log.length).toBeGreaterThanOrEqual(80);
    const bySequence = new Map((await readLog(connection)).map((logged) => [logged.sequence, logged]));
    const causes: Record<string, string> = {
      payments: "created",
      reservations: "payments",
      shipments: "reservations",
      notifications: "shipments",
    };
    const wrong = log.filter(({ event, hop }: Logged) => {
      const cause = bySequence.get(hop?.causeSequence ?? 0)?.event;
      return cause?.orderId !== event.orderId || cause.kind !== causes[event.kind];
    });
    expect(wrong).toEqual([]);
  });
});
