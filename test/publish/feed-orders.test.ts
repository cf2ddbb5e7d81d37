import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readKey } from "../../src/flow/key-log.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import type { OrderCreated } from "../../src/orders/events.ts";
import { generateOrders } from "../../src/orders/publish/open-order-source.ts";
import { type FeedOptions, feed as feedLog } from "../../src/publish/feed.ts";
import { publishEvents } from "../../src/publish/publish-events.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { orderLog } from "../support/order-log.ts";
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

const ordersOf = (count: number, seed: number): OrderCreated[] => [...generateOrders(count, seed).orders];

const feed = (
  source: Iterable<OrderCreated> | AsyncIterable<OrderCreated>,
  options: Partial<FeedOptions> = {},
) =>
  feedLog(orderLog(connection), source, {
    origin: { service: "publish", instance: "test" },
    window: 8,
    signal: new AbortController().signal,
    ...options,
  });

describe("feedOrders", () => {
  it("stores the orders of a source in its order, under the caller's name", async () => {
    const orders = ordersOf(40, 1);
    const { report, failure } = await feed(orders);
    expect(failure).toBeUndefined();
    expect(report).toMatchObject({
      stored: 40,
      duplicates: 0,
      firstOrderId: orders[0]?.orderId,
      endings: null,
    });
    expect(report.perSecond).toBeCloseTo(40 / report.seconds);
    const logged = await Promise.all(orders.map(({ orderId }) => readKey(orderLog(connection), orderId)));
    const firsts = logged.map(({ events }) => events[0]);
    expect(firsts.map((first) => first?.event)).toEqual(orders);
    expect(firsts.map((first) => first?.sequence)).toEqual(orders.map((_, index) => index + 1));
    expect(firsts[0]?.hop).toMatchObject({ causeSequence: null, service: "publish", instance: "test" });
  });

  it("counts what was stored before the source failed, and says what failed", async () => {
    function* failing() {
      yield* ordersOf(10, 2);
      throw new Error("the disk is gone");
    }
    const { report, failure } = await feed(failing());
    expect(report.stored).toBe(10);
    expect(failure?.message).toBe("the disk is gone");
  });

  // A file that was read for a minute before its first order used to be stored at once, whatever the rate.
  it("keeps to its rate when the source is slow to begin", async () => {
    let begun = 0;
    async function* slow() {
      await new Promise((resolve) => setTimeout(resolve, 500));
      begun = performance.now();
      yield* ordersOf(100, 8);
    }
    const { report } = await feed(slow(), { pace: { rate: 400, profile: "steady" } });
    expect(report.stored).toBe(100);
    expect(performance.now() - begun).toBeGreaterThan(240);
  });

  it("stops at an order that cannot be stored, and asks the source for no more than a window of others", async () => {
    let asked = 0;
    function* endless() {
      for (const order of generateOrders(1_000_000, 3).orders) {
        asked += 1;
        yield asked === 5 ? { ...order, customerId: "\uD800" } : order;
      }
    }
    const { report, failure } = await feed(endless());
    expect(failure).toMatchObject({ code: "bad_message" });
    expect(report.stored).toBeLessThan(asked);
    expect(asked).toBeLessThanOrEqual(5 + 8 + 1);
  });

  it("never has more orders in memory than the window", async () => {
    let sent = 0;
    let stored = 0;
    let most = 0;
    function* counted() {
      for (const order of generateOrders(500, 4).orders) {
        sent += 1;
        most = Math.max(most, sent - stored);
        yield order;
      }
    }
    const publisher = new Publisher(connection, { window: 8 });
    await publishEvents({ flow: orderFlow, publisher }, counted(), {
      origin: { service: "publish", instance: "test" },
      signal: new AbortController().signal,
      onStored: () => {
        stored += 1;
      },
    });
    publisher.close();
    expect(stored).toBe(500);
    expect(most).toBeLessThanOrEqual(9);
  });

  it("follows only its own orders to their ends, while it tells how far it is", async () => {
    const services = await startServices(connection);
    const progress: { done: number; underWay: number | null }[] = [];
    const { report } = await feed(ordersOf(300, 5), {
      waitMs: 5000,
      pace: { rate: 600, profile: "steady" },
      onProgress: (told) => progress.push(told),
    });
    await services.stop(5000);
    expect(report.endings).toMatchObject({
      ended: 300,
      outcomes: { SHIPPED: 300, DECLINED: 0, REFUNDED: 0 },
    });
    expect(progress.length).toBeGreaterThan(2);
    expect(progress.map(({ done }) => done)).toEqual(
      progress.map(({ done }) => done).toSorted((a, b) => a - b),
    );
  });

  it("ends, rather than waiting for ever, when a stored notification cannot be read", async () => {
    const [order] = ordersOf(1, 6);
    if (!order) throw new Error("no order");
    const source = (function* () {
      yield order;
      void connection.nats.jetstream().publish(`ORDERS.notifications.${order.orderId}`, "{}");
    })();
    const { report, failure } = await feed(source, { waitMs: 5000 });
    expect(report.stored).toBe(1);
    expect(failure).toMatchObject({ code: "bad_message" });
    await connection.nats.flush();
  });

  it("says interrupted while it waits for ends, with what is stored", async () => {
    const controller = new AbortController();
    const { report, failure } = await feed(ordersOf(3, 7), {
      waitMs: 60_000,
      signal: controller.signal,
      onProgress: ({ done }) => done === 3 && controller.abort(),
    });
    expect(report).toMatchObject({ stored: 3, endings: { ended: 0 } });
    expect(failure).toMatchObject({ code: "interrupted", message: "3 orders have not ended yet" });
  });
});

describe("readKey", () => {
  it("knows nothing of an order that nobody stored", async () => {
    expect(await readKey(orderLog(connection), "unknown")).toEqual({ events: [], falseMessages: [] });
  });
});
