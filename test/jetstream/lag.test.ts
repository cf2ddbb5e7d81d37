import type { Consumer } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Connection } from "../../src/jetstream/connection.ts";
import { type ConsumerLag, readLag } from "../../src/jetstream/lag.ts";
import { startTestBroker, type TestBroker } from "../broker/start-test-broker.ts";
import { until } from "../until.ts";
import { openTestConnection } from "./open-test-connection.ts";

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

/** A stream with two subjects, `<name>.a` and `<name>.b`, and a consumer of the first. */
async function createStream(name: string): Promise<Consumer> {
  await connection.jsm.streams.add({ name, subjects: [`${name}.>`] });
  const filter_subject = `${name}.a`;
  await connection.jsm.consumers.add(name, {
    durable_name: "reader",
    ack_policy: "explicit" as never,
    filter_subject,
  });
  return connection.nats.jetstream().consumers.get(name, "reader");
}

async function publish(subject: string, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) await connection.nats.jetstream().publish(subject);
}

async function take(consumer: Consumer, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) await (await consumer.next())?.ackAck();
}

const lagOf = async (stream: string): Promise<ConsumerLag | undefined> =>
  (await readLag(connection, { stream, intervalMs: 1 })).consumers[0];

/** Reads the lag while `work` goes on between the two samples. */
async function readLagWhile(stream: string, work: () => Promise<void>): Promise<ConsumerLag | undefined> {
  const reading = readLag(connection, { stream, intervalMs: 600 });
  // Asked for later and answered: so the first sample was taken.
  await connection.jsm.consumers.list(stream).next();
  await work();
  return (await reading).consumers[0];
}

describe("readLag", () => {
  it("counts what the consumer's filter matches, delivered or not", async () => {
    const consumer = await createStream("COUNTS");
    await publish("COUNTS.a", 5);
    await publish("COUNTS.b", 50);
    await take(consumer, 1);
    await consumer.next();
    await consumer.next();
    expect(await lagOf("COUNTS")).toMatchObject({
      consumer: "reader",
      pending: 2,
      ackPending: 2,
      redelivered: 0,
    });
  });

  it("counts what came again", async () => {
    const consumer = await createStream("AGAIN");
    await publish("AGAIN.a", 2);
    (await consumer.next())?.nak();
    await until(async () => ((await consumer.next({ expires: 1000 }))?.info.redeliveryCount ?? 0) > 1);
    expect(await lagOf("AGAIN")).toMatchObject({ redelivered: 1 });
  });

  it("tells the age of the oldest message that the filter matches and nobody acknowledged", async () => {
    const consumer = await createStream("AGES");
    await publish("AGES.a", 1);
    await publish("AGES.b", 1);
    await take(consumer, 1);
    const early = Date.now();
    await until(() => Date.now() > early + 500);
    const before = Date.now();
    await publish("AGES.a", 1);
    const after = Date.now();
    await consumer.next();
    const lag = await lagOf("AGES");
    expect(lag?.oldestAgeMs).toBeLessThanOrEqual(Date.now() - before + 1);
    expect(lag?.oldestAgeMs).toBeGreaterThanOrEqual(0);
    await until(() => Date.now() > after + 300);
    expect((await lagOf("AGES"))?.oldestAgeMs).toBeGreaterThanOrEqual(300);
  });

  it("knows no age and has nothing to drain where everything is acknowledged", async () => {
    const consumer = await createStream("DONE");
    await publish("DONE.a", 1);
    await take(consumer, 1);
    expect(await lagOf("DONE")).toMatchObject({ pending: 0, ackPending: 0, oldestAgeMs: null, drainS: 0 });
  });

  it("computes the rates in and out, and when the backlog is gone", async () => {
    const consumer = await createStream("SHRINKS");
    await publish("SHRINKS.a", 100);
    const lag = await readLagWhile("SHRINKS", async () => {
      await take(consumer, 20);
      await publish("SHRINKS.a", 10);
      await publish("SHRINKS.b", 30);
    });
    const { inPerS, outPerS, drainS } = lag ?? {};
    expect(lag).toMatchObject({ pending: 90, ackPending: 0 });
    expect(Number(outPerS)).toBeGreaterThan(5);
    expect(Number(outPerS)).toBeLessThanOrEqual(20 / 0.6);
    expect(Number(outPerS) / Number(inPerS)).toBeCloseTo(2);
    expect(drainS).toBeCloseTo(90 / (Number(outPerS) - Number(inPerS)));
  });

  it("counts what is acknowledged behind a message that somebody holds, or held and died", async () => {
    const consumer = await createStream("HELD");
    await publish("HELD.a", 100);
    await consumer.next();
    const lag = await readLagWhile("HELD", () => take(consumer, 20));
    expect(lag).toMatchObject({ pending: 79, ackPending: 1, inPerS: 0 });
    // The ack floor stands still at the first message: by it nothing would have gone out.
    expect(Number(lag?.outPerS)).toBeGreaterThan(5);
  });

  it("counts no second delivery as work done", async () => {
    const consumer = await createStream("RETRIED");
    await publish("RETRIED.a", 1);
    const lag = await readLagWhile("RETRIED", async () => {
      for (let time = 0; time < 5; time += 1) (await consumer.next({ expires: 2000 }))?.nak();
    });
    expect(lag).toMatchObject({ inPerS: 0, outPerS: 0 });
  });

  it("says of a backlog that grows that it is never gone", async () => {
    const consumer = await createStream("GROWS");
    await publish("GROWS.a", 10);
    const lag = await readLagWhile("GROWS", async () => {
      await take(consumer, 2);
      await publish("GROWS.a", 20);
    });
    expect(Number(lag?.inPerS)).toBeGreaterThan(Number(lag?.outPerS));
    expect(lag?.drainS).toBeNull();
  });

  it("knows no rates of a consumer that came between the samples", async () => {
    await connection.jsm.streams.add({ name: "NEW", subjects: ["NEW"] });
    await publish("NEW", 3);
    const lag = await readLagWhile("NEW", async () => {
      await connection.jsm.consumers.add("NEW", { durable_name: "late", ack_policy: "explicit" as never });
    });
    expect(lag).toMatchObject({ consumer: "late", pending: 3, inPerS: null, outPerS: null, drainS: null });
  });

  it("lists all consumers by name, more than one page of them", async () => {
    await connection.jsm.streams.add({ name: "MANY", subjects: ["MANY"] });
    const names = Array.from({ length: 300 }, (_, index) => `c${String(index).padStart(3, "0")}`);
    const add = (durable_name: string) =>
      connection.jsm.consumers.add("MANY", { durable_name, ack_policy: "explicit" as never });
    await Promise.all(names.toReversed().map(add));
    const { consumers } = await readLag(connection, { stream: "MANY", intervalMs: 1 });
    expect(consumers.map(({ consumer }) => consumer)).toEqual(names);
  });

  it("rejects with not_found for an unknown stream", async () => {
    await expect(lagOf("NOPE")).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining("NOPE"),
    });
  });

  it("ends between its samples when it is interrupted", async () => {
    await createStream("STOPPED");
    const controller = new AbortController();
    const reading = readLag(connection, { stream: "STOPPED", intervalMs: 60_000, signal: controller.signal });
    controller.abort();
    await expect(reading).rejects.toMatchObject({ name: "AbortError" });
  });
});
