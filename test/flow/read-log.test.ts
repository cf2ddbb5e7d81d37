import { beforeEach, describe, expect, it } from "vitest";
import { OrderctlError } from "../../src/core/errors.ts";
import { type LogRange, readLog } from "../../src/flow/read-log.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { scanStream } from "../../src/jetstream/streams/read-stream.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { openLogWriter } from "../support/log-writer.ts";
import { MemoryArchive } from "../support/memory-archive.ts";

let connection: Connection;
let archive: MemoryArchive;

beforeEach(async () => {
  ({ connection } = await brokerOfTest());
  (await openLogWriter(connection)).close();
  archive = new MemoryArchive(connection);
});

/** Stores messages for orders `1` to `count`, of which every tenth is a payment. */
async function store(count: number): Promise<void> {
  const publisher = new Publisher(connection);
  const subjectOf = (index: number) => `ORDERS.${index % 10 === 0 ? "payments" : "created"}.${index}`;
  const stored = Array.from({ length: count }, (_, index) =>
    publisher.publish({ subject: subjectOf(index + 1), payload: Buffer.from("x") }),
  );
  await Promise.all(stored);
  publisher.close();
}

const upTo = (last: number, from = 1) => Array.from({ length: last - from + 1 }, (_, index) => from + index);

type Reading = Partial<LogRange> & { afterBatch?: (batches: number) => Promise<void> };

async function read({ afterBatch, ...range }: Reading = {}): Promise<number[]> {
  const sequences: number[] = [];
  let batches = 0;
  const { signal } = new AbortController();
  for await (const batch of readLog(archive.log, { from: 1, signal, ...range })) {
    sequences.push(...batch.map(({ sequence }) => sequence));
    batches += 1;
    await afterBatch?.(batches);
  }
  return sequences;
}

describe("a log of which a part is archived", () => {
  beforeEach(() => store(40));

  it.each([
    ["is still in the stream", () => archive.moveTo(25)],
    ["has left the stream", () => archive.moveAndPurge(25)],
    [
      "has left the stream but for some",
      async () => {
        await archive.moveTo(25);
        await connection.jsm.streams.purge("ORDERS", { seq: 17 });
      },
    ],
    ["is everything", () => archive.moveAndPurge(40)],
    ["is nothing", async () => {}],
  ])("is read in stream order, each message once, where that part %s", async (_, move) => {
    await move();
    expect(await read()).toEqual(upTo(40));
    expect(await read({ from: 20, to: 30 })).toEqual(upTo(30, 20));
    expect(await read({ from: 26 })).toEqual(upTo(40, 26));
    expect(await read({ from: 3, to: 9 })).toEqual(upTo(9, 3));
    expect(await read({ from: 41 })).toEqual([]);
  });

  it("is read by subject, in both parts", async () => {
    await archive.moveAndPurge(25);
    expect(await read({ filter: "ORDERS.payments.*" })).toEqual([10, 20, 30, 40]);
    expect(await read({ filter: "ORDERS.*.7" })).toEqual([7]);
  });

  it.each([7, 25, 26, 33])("is read until a time, up to message %d", async (last) => {
    const times = await readTimes();
    const untilUs = times[last - 1] ?? 0;
    await archive.moveAndPurge(25);
    expect(await read({ untilUs })).toEqual(upTo(times.filter((time) => time <= untilUs).length));
  });

  it("is read no further once the signal has aborted", async () => {
    await archive.moveAndPurge(25);
    const controller = new AbortController();
    const afterBatch = async (batches: number) => {
      if (batches === 2) controller.abort();
    };
    expect(await read({ signal: controller.signal, afterBatch })).toEqual(upTo(6));
  });

  it("is not taken for shorter where the archive cannot be read", async () => {
    await archive.moveAndPurge(25);
    archive.isDamaged = true;
    await expect(read()).rejects.toThrow(OrderctlError);
    expect(await read({ from: 26 })).toEqual(upTo(40, 26));
  });

  it("lacks messages that somebody has deleted, and nothing else", async () => {
    await connection.jsm.streams.deleteMessage("ORDERS", 30);
    await archive.moveAndPurge(25);
    expect(await read()).toEqual(upTo(40).filter((sequence) => sequence !== 30));
  });
});

/** When each message of the stream was stored, Unix µs. */
async function readTimes(): Promise<number[]> {
  const times: number[] = [];
  await scanStream(connection, { stream: "ORDERS" }, ({ storedAtUs }) => times.push(storedAtUs));
  return times;
}

describe("a log that is archived and purged while it is read", () => {
  beforeEach(() => store(12_000));

  it.each([
    ["the next part of it", 9000],
    ["all of it", 12_000],
  ])("is read whole: %s", async (_, to) => {
    await archive.moveAndPurge(100);
    const first = Math.ceil(100 / 3) + 1;
    const sequences = await read({
      afterBatch: async (batches) => {
        if (batches === first) await archive.moveAndPurge(to);
      },
    });
    expect(sequences).toEqual(upTo(12_000));
    expect(archive.reads.length).toBeGreaterThan(1);
  });

  it("is read whole by subject", async () => {
    const sequences = await read({
      filter: "ORDERS.payments.*",
      afterBatch: async (batches) => {
        if (batches === 1) await archive.moveAndPurge(12_000);
      },
      from: 5,
    });
    expect(sequences).toEqual(upTo(1200).map((index) => index * 10));
  });

  it("is not read from the archive where nothing is missing", async () => {
    await read({
      afterBatch: async (batches) => {
        if (batches === 1) await archive.moveTo(12_000);
      },
    });
    expect(archive.reads).toEqual([]);
  });
});
