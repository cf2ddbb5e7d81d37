import type { ConsumerConfig } from "nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { readMovable } from "../../../src/jetstream/streams/movable.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";
import { createLog } from "./subject-log.ts";

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

/** A stream with such messages; `consumers` by name, with what is set beside the explicit acknowledgement. */
async function world(name: string, kinds: string, consumers: Record<string, Partial<ConsumerConfig>>) {
  await createLog(connection, name);
  for (const [durable_name, config] of Object.entries(consumers)) {
    await connection.jsm.consumers.add(name, { durable_name, ack_policy: "explicit" as never, ...config });
  }
  const js = connection.nats.jetstream();
  for (const [index, kind] of [...kinds].entries()) await js.publish(`${name}.${kind}.${index}`);
  return {
    movable: () => readMovable(connection, name),
    /** Lets a consumer have so many messages, and acknowledges those of them that are named by their sequence. */
    async take(consumer: string, count: number, acked: readonly number[] = []) {
      const source = await js.consumers.get(name, consumer);
      const messages = await source.fetch({ max_messages: count, expires: 2000 });
      let taken = 0;
      for await (const message of messages) {
        if (acked.includes(message.seq)) await message.ackAck();
        taken += 1;
        if (taken === count) break;
      }
    },
    publish: (kind: string, index: number) => js.publish(`${name}.${kind}.${index}`),
  };
}

const filter = (subject: string) => ({ filter_subject: subject });

it("is everything where nobody consumes, and nothing of an empty stream", async () => {
  expect(await (await world("ALONE", "aaa", {})).movable()).toEqual({ to: 3, heldBack: undefined });
  expect(await (await world("EMPTY", "", {})).movable()).toEqual({ to: 0, heldBack: undefined });
});

it("ends before the first message that a consumer has not been handed", async () => {
  const { movable, take } = await world("UNREAD", "aaaa", { reader: {} });
  expect(await movable()).toMatchObject({ to: 0, heldBack: { consumer: "reader", sequence: 1 } });
  await take("reader", 2, [1, 2]);
  expect(await movable()).toMatchObject({ to: 2, heldBack: { sequence: 3 } });
  await take("reader", 2, [3, 4]);
  expect(await movable()).toEqual({ to: 4, heldBack: undefined });
});

it("ends before the first message that nobody acknowledged, whatever was acknowledged behind it", async () => {
  const { movable, take } = await world("HELD", "aaaa", { reader: {} });
  await take("reader", 4, [1, 3, 4]);
  expect(await movable()).toMatchObject({ to: 1, heldBack: { consumer: "reader", sequence: 2 } });
});

// Its ack floor stays behind for days, and holds nobody back.
it("passes over what a consumer's filter does not match", async () => {
  const { movable, take, publish } = await world("SELDOM", "abaaaa", { seldom: filter("SELDOM.b.*") });
  await take("seldom", 1, [2]);
  expect(await movable()).toEqual({ to: 6, heldBack: undefined });
  await publish("b", 6);
  await publish("a", 7);
  expect(await movable()).toMatchObject({ to: 6, heldBack: { consumer: "seldom", sequence: 7 } });
});

it("names of several consumers the one that stands furthest back, also one that pushes and one that waits", async () => {
  const { movable, take } = await world("MANY", "abab", {
    quick: {},
    slow: filter("MANY.b.*"),
    pushed: { ...filter("MANY.*.3"), deliver_subject: "nobody.listens" },
  });
  await take("quick", 4, [1, 2, 3, 4]);
  expect(await movable()).toMatchObject({ to: 1, heldBack: { consumer: "slow", sequence: 2 } });
  await take("slow", 2, [2, 4]);
  expect(await movable()).toMatchObject({ to: 3, heldBack: { consumer: "pushed", sequence: 4 } });
});

it("asks for nothing of readers that pass", async () => {
  const { movable } = await world("PASSING", "aa", {});
  await connection.jsm.consumers.add("PASSING", { ack_policy: "none" as never, name: "passing" } as never);
  expect(await movable()).toEqual({ to: 2, heldBack: undefined });
});

it("is not given where there is no such stream", async () => {
  await expect(readMovable(connection, "NOWHERE")).rejects.toMatchObject({ code: "not_found" });
});

it("knows of consumers that the list leaves out, as a cluster does while their leader is away", async () => {
  const { take } = await world("LEFT", "aaa", { reader: {} });
  await take("reader", 1, [1]);
  const { consumers } = connection.jsm;
  const info = (stream: string, name: string) => consumers.info(stream, name);
  const jsm = { ...connection.jsm, consumers: { list: async function* () {}, info } };
  const partial = { ...connection, jsm: jsm as unknown as Connection["jsm"] };
  expect(await readMovable(partial, "LEFT")).toMatchObject({ to: 1, heldBack: { consumer: "reader" } });
});
