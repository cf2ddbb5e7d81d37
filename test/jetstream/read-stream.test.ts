import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Connection } from "../../src/jetstream/connection.ts";
import { type StreamRange, scanStream } from "../../src/jetstream/read-stream.ts";
import { startTestBroker, type TestBroker } from "../broker/start-test-broker.ts";
import { until } from "../until.ts";
import { openTestConnection } from "./open-test-connection.ts";

let broker: TestBroker;
let connection: Connection;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  await connection.jsm.streams.add({ name: "EMPTY", subjects: ["EMPTY.>"] });
  await connection.jsm.streams.add({ name: "LOG", subjects: ["LOG.>"] });
  for (let index = 1; index <= 12; index += 1) await publish(index % 3 === 0 ? "c" : "a", index);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

/** A connection that died would show here and not in the test that killed it. */
beforeEach(async () => void (await connection.nats.flush()));

const publish = (kind: string, index: number) =>
  connection.nats.jetstream().publish(`LOG.${kind}.${index}`, `payload ${index}`);

async function sequencesOf(scan: Partial<StreamRange>): Promise<number[]> {
  const seen: number[] = [];
  await scanStream(connection, { stream: "LOG", ...scan }, ({ sequence }) => seen.push(sequence));
  return seen;
}

const countConsumers = async (stream: string) =>
  (await connection.jsm.streams.info(stream)).state.consumer_count;

describe("scanStream", () => {
  it("hands over every message, in stream order, each once", async () => {
    expect(await sequencesOf({})).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  it("hands over subject, payload and the time of storage", async () => {
    const found: unknown[] = [];
    await scanStream(connection, { stream: "LOG", filter: "LOG.c.3" }, ({ subject, payload, storedAtUs }) =>
      found.push({ subject, text: Buffer.from(payload).toString(), age: Date.now() * 1000 - storedAtUs }),
    );
    expect(found).toEqual([{ subject: "LOG.c.3", text: "payload 3", age: expect.any(Number) }]);
    const { age } = found[0] as { age: number };
    expect(age).toBeGreaterThan(-1000);
    expect(age).toBeLessThan(60e6);
  });

  it("reads only what the filter matches, and ends though the last message does not", async () => {
    expect(await sequencesOf({ filter: "LOG.c.*" })).toEqual([3, 6, 9, 12]);
    expect(await sequencesOf({ filter: "LOG.a.*" })).toEqual([1, 2, 4, 5, 7, 8, 10, 11]);
  });

  it("begins where it is told to", async () => {
    expect(await sequencesOf({ start: { sequence: 10 } })).toEqual([10, 11, 12]);
    expect(await sequencesOf({ start: { sequence: 7 }, filter: "LOG.c.*" })).toEqual([9, 12]);
  });

  it("ends at once where there is nothing to read", async () => {
    expect(await sequencesOf({ stream: "EMPTY" })).toEqual([]);
    expect(await sequencesOf({ filter: "LOG.b.*" })).toEqual([]);
    expect(await sequencesOf({ start: { sequence: 1000 } })).toEqual([]);
  });

  it("reads more than one batch", async () => {
    await connection.jsm.streams.add({ name: "LONG", subjects: ["LONG"] });
    for (let index = 0; index < 5000; index += 1) connection.nats.publish("LONG");
    await until(async () => (await connection.jsm.streams.info("LONG")).state.messages === 5000);
    const seen = await sequencesOf({ stream: "LONG" });
    expect(seen).toEqual(Array.from({ length: 5000 }, (_, index) => index + 1));
  });

  it("follows what is stored later, until it is told to stop", async () => {
    const controller = new AbortController();
    const seen: number[] = [];
    const scan = { stream: "LOG", start: { sequence: 13 }, follow: true, signal: controller.signal };
    const scanning = scanStream(connection, scan, ({ sequence }) => seen.push(sequence));
    await publish("late", 13);
    await until(() => seen.length === 1);
    await publish("late", 14);
    await until(() => seen.length === 2);
    controller.abort();
    await scanning;
    expect(seen).toEqual([13, 14]);
  });

  it("stops whenever it is told to, also while it begins", async () => {
    for (let turns = 0; turns < 40; turns += 1) {
      const controller = new AbortController();
      const scan = { stream: "LOG", follow: true, signal: controller.signal };
      const scanning = scanStream(connection, scan, () => undefined).catch(() => undefined);
      for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      controller.abort();
      await scanning;
    }
  }, 5000);

  it("follows a stream that is still empty", async () => {
    const controller = new AbortController();
    const seen: string[] = [];
    const scan = { stream: "EMPTY", follow: true, signal: controller.signal };
    const scanning = scanStream(connection, scan, ({ subject }) => seen.push(subject));
    await connection.nats.jetstream().publish("EMPTY.first");
    await until(() => seen.length === 1);
    controller.abort();
    await scanning;
    expect(seen).toEqual(["EMPTY.first"]);
  });

  it("rejects with what the reader threw, and leaves the connection alive", async () => {
    const broken = () => {
      throw new Error("cannot be decoded");
    };
    await expect(scanStream(connection, { stream: "LOG" }, broken)).rejects.toThrow("cannot be decoded");
    await connection.nats.flush();
  }, 5000);

  it("leaves no consumer behind, however it ended", async () => {
    const aborted = AbortSignal.abort();
    await expect(sequencesOf({ signal: aborted })).rejects.toThrow();
    await sequencesOf({});
    await until(async () => (await countConsumers("LOG")) + (await countConsumers("EMPTY")) === 0, 1000);
  });

  it("reads through a consumer that goes 30 s after its process, and counts as nobody's work", async () => {
    const stop = new AbortController();
    let seen = 0;
    const scan = { stream: "LOG", start: { sequence: 5 }, follow: true, signal: stop.signal };
    const reading = scanStream(connection, scan, () => {
      seen += 1;
    });
    await until(() => seen > 0);
    const [reader] = await connection.jsm.consumers.list("LOG").next();
    stop.abort();
    await reading;
    expect(reader?.config).toMatchObject({ inactive_threshold: 30e9, opt_start_seq: 5 });
    expect(reader?.config).not.toHaveProperty("durable_name");
  });

  it("rejects with not_found for an unknown stream", async () => {
    await expect(sequencesOf({ stream: "NOPE" })).rejects.toMatchObject({ code: "not_found" });
  });
});
