import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { readStream, type StreamRange, scanStream } from "../../../src/jetstream/streams/read-stream.ts";
import { brokerOfTest } from "../../support/broker-of-test.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";
import { until } from "../../support/until.ts";

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
      const scanning = scanStream(connection, scan, () => undefined);
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
    expect(await sequencesOf({ signal: AbortSignal.abort() })).toEqual([]);
    await sequencesOf({});
    await until(async () => (await countConsumers("LOG")) + (await countConsumers("EMPTY")) === 0, 1000);
  });

  it("reads through a consumer that goes 15 s after its process, and counts as nobody's work", async () => {
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
    expect(reader?.config).toMatchObject({ inactive_threshold: 15e9, opt_start_seq: 5 });
    expect(reader?.config).not.toHaveProperty("durable_name");
  });

  it("rejects with not_found for an unknown stream", async () => {
    await expect(sequencesOf({ stream: "NOPE" })).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("reading a stream that changes meanwhile", () => {
  const name = "CHANGING";
  const count = 10_000;

  beforeEach(async () => {
    await connection.jsm.streams.add({ name, subjects: ["CHANGING.>"] });
    for (let index = 0; index < count; index += 1) connection.nats.publish(`CHANGING.${index % 2}`);
    await until(async () => (await connection.jsm.streams.info(name)).state.messages === count);
  });

  afterEach(async () => {
    await connection.jsm.streams.delete(name).catch(() => undefined);
  });

  /** What is read where something is done after the first batch. */
  async function readWhile(change: () => Promise<unknown>, range: Partial<StreamRange> = {}) {
    const seen: number[] = [];
    for await (const batch of readStream(connection, { stream: name, ...range })) {
      if (seen.length === 0) await change();
      seen.push(...batch.map(({ sequence }) => sequence));
    }
    return seen;
  }

  // It used to wait for ever for the message that had been the last one.
  it.each([
    ["all messages go", {}, undefined],
    ["all that match go", { filter: "CHANGING.1" }, { filter: "CHANGING.1" }],
    ["all but the last ones go", {}, { keep: 3 }],
  ])("ends where %s", async (_, range, purge) => {
    const seen = await readWhile(() => connection.jsm.streams.purge(name, purge), range);
    expect(seen.length).toBeLessThan(count / 2);
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
    if (purge && "keep" in purge) expect(seen.slice(-3)).toEqual([count - 2, count - 1, count]);
  });

  it("ends where the last message alone goes", async () => {
    const seen = await readWhile(() => connection.jsm.streams.deleteMessage(name, count, false));
    expect(seen).toHaveLength(count - 1);
  });

  it("does not take for the end what is stored after all went", async () => {
    const seen = await readWhile(async () => {
      await connection.jsm.streams.purge(name);
      await connection.nats.jetstream().publish("CHANGING.later");
    });
    expect(seen.at(-1)).toBeLessThan(count);
  });

  it("says that the stream was deleted, or deleted and made anew", async () => {
    const { jsm } = connection;
    const deleted = readWhile(() => jsm.streams.delete(name));
    await expect(deleted).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringMatching(/^stream CHANGING was deleted while it was read, behind sequence \d+$/),
    });
    await jsm.streams.add({ name, subjects: ["CHANGING.>"] });
    for (let index = 0; index < count; index += 1) connection.nats.publish("CHANGING.new");
    await until(async () => (await jsm.streams.info(name)).state.messages === count);
    const anew = readWhile(async () => {
      await jsm.streams.delete(name);
      await jsm.streams.add({ name, subjects: ["CHANGING.>"] });
    });
    await expect(anew).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("made anew"),
    });
  });

  it("follows on through a consumer that was deleted, without a gap or a double", async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    const range = { stream: name, start: { sequence: count - 1 }, follow: true, signal: stop.signal };
    const reading = scanStream(connection, range, ({ sequence }) => seen.push(sequence));
    await until(() => seen.length === 2);
    for await (const { name: reader } of connection.jsm.consumers.list(name))
      await connection.jsm.consumers.delete(name, reader);
    await connection.nats.jetstream().publish("CHANGING.later");
    await until(() => seen.length > 2);
    stop.abort();
    await reading;
    expect(seen).toEqual([count - 1, count, count + 1]);
  });

  it("asks for no more at once than the server allows", async () => {
    const storeDir = await mkdtemp(join(tmpdir(), "orderctl-limited-"));
    onTestFinished(() => rm(storeDir, { recursive: true }));
    const limits = `jetstream { store_dir: "${storeDir}", limits { max_request_batch: 100 } }`;
    const limited = await startTestBroker({ extraConfig: limits });
    onTestFinished(() => limited.stop());
    const other = await openTestConnection(limited.url);
    onTestFinished(() => other.close());
    await other.jsm.streams.add({ name: "LIMITED", subjects: ["LIMITED"] });
    for (let index = 0; index < 500; index += 1) other.nats.publish("LIMITED");
    await until(async () => (await other.jsm.streams.info("LIMITED")).state.messages === 500);
    let seen = 0;
    await scanStream(other, { stream: "LIMITED" }, () => {
      seen += 1;
    });
    expect(seen).toBe(500);
  });
});

describe("reading a stream whose broker goes", () => {
  const stored = 20_000;
  const patienceMs = 500;

  async function fill(to: Connection): Promise<void> {
    await to.jsm.streams.add({ name: "FAR", subjects: ["FAR"] });
    for (let index = 0; index < stored; index += 1) to.nats.publish("FAR");
    await until(async () => (await to.jsm.streams.info("FAR")).state.messages === stored);
  }

  // It used to wait for ever, and so did the command.
  it("gives up where the broker was killed and nothing came for its time", async () => {
    const { broker: own, connection: reader } = await brokerOfTest();
    await fill(reader);
    const reading = scanStream(reader, { stream: "FAR", patienceMs }, ({ sequence }) => {
      if (sequence === 1) void own.kill();
    });
    await expect(reading).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(
        /^cannot read on in stream FAR, behind sequence \d+: the broker is away; nothing came for 0.5 s$/,
      ),
    });
  });

  it("gives up where the broker hangs", async () => {
    const { broker: own, connection: reader } = await brokerOfTest();
    await fill(reader);
    const thawed = () => process.kill(own.pid, "SIGCONT");
    onTestFinished(() => void thawed());
    const reading = scanStream(reader, { stream: "FAR", patienceMs }, ({ sequence }) => {
      if (sequence === 1) process.kill(own.pid, "SIGSTOP");
    });
    await expect(reading).rejects.toMatchObject({ exitCode: expect.toBeOneOf([3, 5]) });
    thawed();
  });

  it("follows on after it was away for longer than anybody else would wait", async () => {
    const { broker: own, connection: reader } = await brokerOfTest();
    await reader.jsm.streams.add({ name: "FAR", subjects: ["FAR"] });
    const stop = new AbortController();
    const seen: number[] = [];
    const reading = scanStream(reader, { stream: "FAR", follow: true, signal: stop.signal }, ({ sequence }) =>
      seen.push(sequence),
    );
    await reader.nats.jetstream().publish("FAR");
    await until(() => seen.length === 1);
    await own.kill();
    await until(() => !reader.isConnected());
    await own.restart();
    await until(() => reader.isConnected());
    await reader.nats.jetstream().publish("FAR");
    await until(() => seen.length === 2);
    stop.abort();
    await reading;
    expect(seen).toEqual([1, 2]);
  });
});
