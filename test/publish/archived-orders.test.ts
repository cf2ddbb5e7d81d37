import { beforeEach, expect, it, onTestFinished } from "vitest";
import type { ArchivedKeys } from "../../src/flow/archived-log.ts";
import { lookUpKeys } from "../../src/flow/look-up-keys.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { readLastSequence } from "../../src/jetstream/streams/read-message.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import type { OrderCreated } from "../../src/orders/events.ts";
import { generateOrders } from "../../src/orders/publish/open-order-source.ts";
import { type FeedOptions, feed as feedLog } from "../../src/publish/feed.ts";
import { publishEvents } from "../../src/publish/publish-events.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { type LogWriter, openLogWriter } from "../support/log-writer.ts";
import { MemoryArchive } from "../support/memory-archive.ts";

let archive: MemoryArchive;
let writer: LogWriter;

beforeEach(async () => {
  const { connection } = await brokerOfTest();
  writer = await openLogWriter(connection);
  onTestFinished(() => writer.close());
  archive = new MemoryArchive(connection);
});

const ordersOf = (count: number): OrderCreated[] => [...generateOrders(count, 7).orders];

const feed = (source: Iterable<OrderCreated>, options: Partial<FeedOptions> = {}) =>
  feedLog(archive.log, source, {
    origin: { service: "publish", instance: "test" },
    window: 8,
    archivedKeys: lookUpKeys(archive.log),
    signal: new AbortController().signal,
    ...options,
  });

const lastSequence = () => readLastSequence(archive.log.connection, "ORDERS");

it("stores archived orders no second time, and the others in the order of the source", async () => {
  const orders = ordersOf(60);
  await feed(orders.filter((_, index) => index % 3 === 0));
  await archive.moveAndPurge(20);
  const { report, failure } = await feed(orders);
  expect({ ...report, failure }).toMatchObject({
    stored: 40,
    duplicates: 20,
    conflicts: 0,
    failure: undefined,
  });
  const rest = orders.filter((_, index) => index % 3 !== 0).map(({ orderId }) => orderId);
  await archive.moveAndPurge(60);
  const stored = rest.map((orderId) => archive.readKey(orderId));
  expect((await Promise.all(stored)).map(([first]) => first?.sequence)).toEqual(rest.map((_, at) => at + 21));
  expect((await feed(orders)).report).toMatchObject({ stored: 0, duplicates: 60 });
  expect(await lastSequence()).toBe(60);
});

it("tells of an order that is another than the archived one", async () => {
  const [order, other] = ordersOf(2);
  if (!order || !other) throw new Error("no orders");
  await feed([order]);
  await archive.moveAndPurge(1);
  const { report } = await feed([{ ...other, orderId: order.orderId }]);
  expect(report).toMatchObject({ stored: 0, duplicates: 1, conflicts: 1, conflicting: [order.orderId] });
});

it("stores an order in whose place something was archived that is none", async () => {
  const [order] = ordersOf(1);
  if (!order) throw new Error("no order");
  await writer.storeBytes(`ORDERS.created.${order.orderId}`, "x");
  await archive.moveAndPurge(1);
  expect((await feed([order])).report).toMatchObject({ stored: 1, duplicates: 0, blocked: 0 });
});

it("ends where the archive cannot tell, and stores nothing of which it does not know", async () => {
  const orders = ordersOf(3);
  await feed(orders.slice(0, 1));
  await archive.moveAndPurge(1);
  archive.isAway = true;
  const { report, failure } = await feed([...orders.slice(1), ...orders.slice(0, 1)]);
  expect(report).toMatchObject({ stored: 2, duplicates: 0, unknown: 0 });
  expect(failure).toMatchObject({
    code: "unavailable",
    source: "store",
    message: expect.stringMatching(
      /^cannot tell whether \S+ is archived: memory: cannot read ORDERS\.parquet$/,
    ),
  });
});

/** The archive's keys, of which a test says when they are certain, and when a look-up ends. */
function slowKeys(): ArchivedKeys & { isKnown: boolean; open: (() => void)[]; most: number } {
  const keys = {
    isKnown: true,
    open: [] as (() => void)[],
    most: 0,
    isCertain: () => keys.isKnown,
    isRead: () => keys.isKnown,
    findFirst: async () => {
      const answer = new Promise<undefined>((resolve) => keys.open.push(() => resolve(undefined)));
      keys.most = Math.max(keys.most, keys.open.length);
      return answer;
    },
    problems: () => [],
    stop: () => {},
  };
  return keys;
}

it("looks several orders up at the same time, and reads no further ahead", async () => {
  const keys = slowKeys();
  let sent = 0;
  const publisher = new Publisher(archive.log.connection, { window: 4 });
  onTestFinished(() => publisher.close());
  const publishing = publishEvents({ flow: orderFlow, publisher }, ordersOf(50), {
    origin: { service: "publish", instance: "test" },
    archivedKeys: keys,
    signal: new AbortController().signal,
    onSent: () => {
      sent += 1;
    },
  });
  await expect.poll(() => keys.open.length).toBe(16);
  expect(sent).toBe(16);
  const answering = setInterval(() => {
    for (const end of keys.open.splice(0)) end();
  }, 1);
  expect(await publishing).toMatchObject({ stored: 50, failure: undefined });
  clearInterval(answering);
  expect(keys.most).toBeLessThanOrEqual(16);
  expect(await lastSequence()).toBe(50);
});

it("waits until it is known what is archived, and ends when it is interrupted meanwhile", async () => {
  const keys = { ...slowKeys(), findFirst: () => undefined, isRead: () => keys.isKnown };
  keys.isKnown = false;
  const feeding = feed(ordersOf(5), { archivedKeys: keys });
  setTimeout(() => {
    keys.isKnown = true;
  }, 200);
  expect((await feeding).report).toMatchObject({ stored: 5 });
  keys.isKnown = false;
  const stop = new AbortController();
  const stopped = feed(ordersOf(6), { archivedKeys: keys, signal: stop.signal });
  setTimeout(() => stop.abort(), 100);
  expect((await stopped).failure).toMatchObject({ code: "interrupted" });
  expect(await lastSequence()).toBe(5);
});
