import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { countFrom, readStream, type StreamRange } from "../../src/jetstream/streams/read-stream.ts";
import type { StreamStart } from "../../src/jetstream/streams/stream-cursor.ts";
import type { StreamMessage } from "../../src/jetstream/streams/stream-message.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

const stored = 50_000;

let broker: TestBroker;
let connection: Connection;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  await connection.jsm.streams.add({ name: "LONG", subjects: ["LONG.>"] });
  await connection.jsm.streams.add({ name: "EMPTY", subjects: ["EMPTY.>"] });
  await connection.jsm.streams.add({ name: "LARGE", subjects: ["LARGE"] });
  const publisher = new Publisher(connection);
  const payload = Buffer.alloc(500, "x");
  for (let index = 1; index <= stored; index += 1) {
    if (publisher.isFull) await publisher.ready();
    publisher.send(
      { subject: `LONG.${index % 10}.${index}`, payload, headers: { number: String(index) } },
      { resolve: () => {}, reject: () => {} },
    );
  }
  const large = Buffer.alloc(900_000);
  for (let index = 0; index < 20; index += 1) await publisher.publish({ subject: "LARGE", payload: large });
  await publisher.drain();
  publisher.close();
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

const range = (fields: Partial<StreamRange> = {}): StreamRange & { start: StreamStart } => ({
  stream: "LONG",
  start: { sequence: 1 },
  toSequence: stored,
  signal: new AbortController().signal,
  ...fields,
});

async function read(
  fields: Partial<StreamRange> = {},
  onBatch: (batch: StreamMessage[]) => unknown = () => {},
): Promise<number[]> {
  const sequences: number[] = [];
  for await (const batch of readStream(connection, range(fields))) {
    sequences.push(...batch.map(({ sequence }) => sequence));
    await onBatch(batch);
  }
  return sequences;
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

const consumersOf = async (stream: string) =>
  (await connection.jsm.streams.info(stream)).state.consumer_count;

describe("reading a stream to replay it", () => {
  it("brings every message once, in stream order, in bounded memory", async () => {
    const before = process.memoryUsage().rss;
    let most = 0;
    let expected = 1;
    for await (const batch of readStream(connection, range())) {
      for (const { sequence } of batch) {
        expect(sequence === expected).toBe(true);
        expected += 1;
      }
      most = Math.max(most, process.memoryUsage().rss);
    }
    expect(expected).toBe(stored + 1);
    // All of it would be 25 MB of payloads alone, several times that with their objects.
    expect(most - before).toBeLessThan(60e6);
  });

  it("brings subject, headers, payload and time", async () => {
    const found: StreamMessage[] = [];
    await read({ start: { sequence: 3 }, toSequence: 3 }, (batch) => found.push(...batch));
    const [message] = found;
    expect(message).toMatchObject({ subject: "LONG.3.3", sequence: 3 });
    expect(message?.payload.length).toBe(500);
    expect(message?.headers()).toEqual({ number: "3" });
    expect(Math.abs((message?.storedAtUs ?? 0) / 1000 - Date.now())).toBeLessThan(60_000);
  });

  it("keeps to its range and its filter", async () => {
    expect(await read({ start: { sequence: 49_999 }, toSequence: 60_000 })).toEqual([49_999, 50_000]);
    expect(await read({ start: { sequence: 10 }, toSequence: 12 })).toEqual([10, 11, 12]);
    expect(await read({ filter: "LONG.7.*", toSequence: 30 })).toEqual([7, 17, 27]);
    expect(await read({ filter: "LONG.7.*", toSequence: 36 })).toEqual([7, 17, 27]);
    expect(await read({ filter: "LONG.x.*" })).toEqual([]);
    expect(await read({ start: { sequence: 60_000 } })).toEqual([]);
    expect(await read({ stream: "EMPTY", toSequence: 0 })).toEqual([]);
  });

  it("counts what is ahead", async () => {
    expect(await countFrom(connection, range({ start: { sequence: 49_991 } }))).toBe(10);
    expect(await countFrom(connection, range({ filter: "LONG.7.*" }))).toBe(5000);
    expect(await countFrom(connection, range({ start: { timeUs: (Date.now() + 5000) * 1000 } }))).toBe(0);
  });

  it("goes on without a gap when the broker has dropped its consumer", async () => {
    let dropped = 0;
    const sequences = await read({ toSequence: 20_000 }, async () => {
      if (dropped >= 3) return;
      for await (const { name } of connection.jsm.consumers.list("LONG")) {
        dropped += 1;
        await connection.jsm.consumers.delete("LONG", name);
      }
    });
    expect(dropped).toBe(3);
    expect(sequences).toEqual(numbers(1, 20_000));
  });

  it("goes on without a gap when the broker was away", async () => {
    let isDone = false;
    const sequences = await read({ toSequence: 20_000 }, async () => {
      if (isDone) return;
      isDone = true;
      await broker.kill();
      await broker.restart();
      await until(() => connection.isConnected());
    });
    expect(sequences).toEqual(numbers(1, 20_000));
  });

  it("reads messages of nearly the largest size", async () => {
    expect(await read({ stream: "LARGE", toSequence: 20 })).toEqual(numbers(1, 20));
  });

  it("ends soon when it is stopped, and leaves no consumer behind", async () => {
    const stop = new AbortController();
    const sequences = await read({ signal: stop.signal }, () => stop.abort());
    expect(sequences.length).toBeLessThan(stored);
    await until(async () => (await consumersOf("LONG")) === 0, 2000);
  });

  it("does not wait for what was deleted meanwhile", async () => {
    await connection.jsm.streams.add({ name: "SHORT", subjects: ["SHORT"] });
    for (let index = 0; index < 3000; index += 1) connection.nats.publish("SHORT");
    await until(async () => (await connection.jsm.streams.info("SHORT")).state.messages === 3000);
    const sequences = await read({ stream: "SHORT", toSequence: 3000 }, () =>
      connection.jsm.streams.purge("SHORT"),
    );
    expect(sequences.length).toBeLessThan(3000);
  });

  it("rejects with not_found for an unknown stream", async () => {
    await expect(read({ stream: "NOPE" })).rejects.toMatchObject({ code: "not_found" });
  });
});
