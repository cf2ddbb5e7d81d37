import type { ConsumerConfig, JsMsg } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isOlder } from "../../../src/core/compare-versions.ts";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { readOldest } from "../../../src/jetstream/streams/oldest-message.ts";
import { readBySequence } from "../../../src/jetstream/streams/read-message.ts";
import { servers } from "../../security/secured-broker.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";
import { until } from "../../support/until.ts";

let broker: TestBroker;
let connection: Connection;

const isOld = () => isOlder(connection.version, "2.10.0");

/** A stream that holds such messages, a consumer of it, and what follows. */
async function world(name: string, subjects: readonly string[], config: Partial<ConsumerConfig>) {
  const { jsm, nats } = connection;
  const js = nats.jetstream();
  const publish = async (...more: string[]) => {
    for (const subject of more) await js.publish(`${name}.${subject}`);
  };
  await jsm.streams.add({ name, subjects: [`${name}.>`] });
  await publish(...subjects);
  const filters = config.filter_subjects?.map((subject) => `${name}.${subject}`);
  const filter = config.filter_subject && `${name}.${config.filter_subject}`;
  await jsm.consumers.add(name, {
    ...{ durable_name: "reader", ack_policy: "explicit" as never },
    ...config,
    ...(filters && { filter_subjects: filters }),
    ...(filter && { filter_subject: filter }),
  });
  const info = () => jsm.consumers.info(name, "reader");
  return {
    publish,
    info,
    async take(): Promise<JsMsg> {
      const message = await (await js.consumers.get(name, "reader")).next({ expires: 2000 });
      if (!message) throw new Error("nothing to take");
      return message;
    },
    async settled(pending: number, ackPending: number) {
      await until(async () => {
        const { num_pending, num_ack_pending } = await info();
        return num_pending === pending && num_ack_pending === ackPending;
      });
    },
    /** Sequence of the message that is told to be the oldest; `null` for unknown, or none. */
    async oldest(): Promise<number | null> {
      const at = await readOldest(connection, await info());
      if (at === null) return null;
      for (let sequence = 1; ; sequence += 1) {
        const message = await readBySequence(connection, name, sequence);
        if (message?.storedAtUs === at) return sequence;
      }
    },
  };
}

const deliver = (policy: string) => ({ deliver_policy: policy as never });

describe.each(servers)("the oldest message of a consumer of nats-server $version", ({ path }) => {
  beforeAll(async () => {
    broker = await startTestBroker({ path });
    connection = await openTestConnection(broker.url);
  });

  afterAll(async () => {
    await connection.close();
    await broker.stop();
  });

  it("is the first that any of several filters matches", async ({ skip }) => {
    if (isOld()) skip("this nats-server knows no consumer with several filters");
    const { oldest } = await world("SEVERAL", ["c", "c", "b", "a"], { filter_subjects: ["a", "b"] });
    expect(await oldest()).toBe(3);
  });

  it("is none that was stored before the consumer begins", async () => {
    const { oldest, publish, settled, take } = await world("NEW", ["a", "a"], deliver("new"));
    expect(await oldest()).toBe(null);
    await publish("a", "a");
    await settled(2, 0);
    expect(await oldest()).toBe(3);
    const first = await take();
    await settled(1, 1);
    // An old server tells from where a consumer counts only when it has had an answer.
    expect(await oldest()).toBe(isOld() ? null : 3);
    await first.ackAck();
    expect(await oldest()).toBe(4);
  });

  it.each([
    { name: "SEQ", config: { ...deliver("by_start_sequence"), opt_start_seq: 3 }, first: 3, second: 4 },
    { name: "LAST", config: deliver("last"), first: 4, second: null },
  ])("begins where the consumer does: $name", async ({ name, config, first, second }) => {
    const { oldest, take, settled } = await world(name, ["a", "a", "a", "a"], config);
    expect(await oldest()).toBe(first);
    const message = await take();
    await settled(4 - first, 1);
    expect([first, null]).toContain(await oldest());
    await message.ackAck();
    expect(await oldest()).toBe(second);
  });

  it("begins at the time where the consumer does", async () => {
    const { jsm } = connection;
    const { publish } = await world("TIME", ["a", "a"], {});
    const { time } = await jsm.streams.getMessage("TIME", { seq: 2 });
    await until(() => Date.now() > time.getTime() + 10);
    await publish("a");
    const opt_start_time = new Date(time.getTime() + 5).toISOString();
    const late = { ...deliver("by_start_time"), opt_start_time, durable_name: "late" };
    await jsm.consumers.add("TIME", { ...late, ack_policy: "explicit" as never });
    const at = await readOldest(connection, await jsm.consumers.info("TIME", "late"));
    expect(at).toBe((await readBySequence(connection, "TIME", 3))?.storedAtUs);
  });

  it("is the last of its subject where only such are delivered, or unknown", async () => {
    const subjects = ["a", "b", "a", "b", "b"];
    const { oldest, take } = await world("LASTS", subjects, {
      ...deliver("last_per_subject"),
      filter_subject: ">",
    });
    expect(await oldest()).toBe(3);
    const first = await take();
    expect(first.seq).toBe(3);
    expect([3, null]).toContain(await oldest());
    await first.ackAck();
    // The fourth is not to be delivered: the broker does not tell that it is the fifth.
    expect([5, null]).toContain(await oldest());
  });

  it("is none that was given up on", async () => {
    const { oldest, take, info } = await world("GIVEN_UP", ["a", "a"], {
      ...{ max_deliver: 1, ack_wait: 200_000_000 },
    });
    await take();
    const startedAt = performance.now();
    await until(() => performance.now() - startedAt > 1000);
    const second = await take();
    expect(second.seq).toBe(2);
    // It stays behind the floor, and nothing tells whether it was it or the second that was given up on.
    expect((await info()).ack_floor.stream_seq).toBe(0);
    expect([2, null]).toContain(await oldest());
  });

  it("is none that was deleted meanwhile", async () => {
    const { oldest, take, settled } = await world("DELETED", ["a", "a", "a", "a"], {});
    await (await take()).ackAck();
    await connection.jsm.streams.deleteMessage("DELETED", 2);
    expect(await oldest()).toBe(3);
    await connection.jsm.streams.purge("DELETED", { seq: 4 });
    await settled(1, 0);
    expect(await oldest()).toBe(4);
    await connection.jsm.streams.purge("DELETED");
    await settled(0, 0);
    expect(await oldest()).toBe(null);
  });

  it("is one that was answered out of turn last", async () => {
    const { oldest, take } = await world("TURNS", ["a", "a", "a"], {});
    const [first, second] = [await take(), await take()];
    await second.ackAck();
    expect(await oldest()).toBe(1);
    await first.ackAck();
    expect(await oldest()).toBe(3);
  });

  it("is right without acknowledgements, and where messages are pushed", async () => {
    const none = await world("NO_ACKS", ["a", "a"], { ack_policy: "none" as never });
    expect(await none.oldest()).toBe(1);
    await none.take();
    expect(await none.oldest()).toBe(2);
    const pushed = await world("PUSHED", ["b", "a", "a"], {
      ...{ deliver_subject: "deliver.pushed", filter_subject: "a" },
    });
    expect(await pushed.oldest()).toBe(2);
    const subscription = connection.nats.subscribe("deliver.pushed", {
      callback: (_, message) => {
        if (pushedSequence(message.reply) === 2) message.respond();
      },
    });
    await pushed.settled(0, 1);
    expect(await pushed.oldest()).toBe(3);
    subscription.unsubscribe();
  });
});

/** `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>…` */
const pushedSequence = (reply: string | undefined): number => Number(reply?.split(".")[5]);
