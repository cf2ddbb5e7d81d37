import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { type Archiver, type ArchiverOptions, startArchiver } from "../../src/archive/archiver.ts";
import { openDirectoryStore } from "../../src/archive/directory-store.ts";
import type { SegmentStore } from "../../src/archive/segment-store.ts";
import { SegmentedLog } from "../../src/archive/segmented-log.ts";
import { OrderctlError } from "../../src/core/errors.ts";
import { flowTopology } from "../../src/flow/flow-topology.ts";
import { readLog } from "../../src/flow/read-log.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { readExtent } from "../../src/jetstream/streams/read-message.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import { generateOrders } from "../../src/orders/publish/open-order-source.ts";
import { type LogWriter, openLogWriter } from "../support/log-writer.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { idleLog, orderLog } from "../support/order-log.ts";
import { startTestBroker } from "../support/start-test-broker.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

let connection: Connection;
let log: LogWriter;
let folder: string;
let notes: string[];

beforeEach(async () => {
  const broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  log = await openLogWriter(connection);
  folder = await temporaryFolder();
  notes = [];
  // Nobody is handed the orders: everything may be archived.
  for await (const { name } of connection.jsm.consumers.list("ORDERS"))
    await connection.jsm.consumers.delete("ORDERS", name);
  return async () => {
    log.close();
    await connection.close();
    await broker.stop();
  };
});

const orders = (count: number, seed = 1) => generateOrders(count, seed).orders;

type Started = { archiver: Archiver; archive: SegmentedLog };

/** One that purges at once what it has archived. */
function start(given: Partial<ArchiverOptions> = {}): Started {
  const flowLog = idleLog(connection);
  const archive = new SegmentedLog(connection, flowLog.flow, {});
  const archiver = startArchiver(flowLog, archive, {
    store: openDirectoryStore(folder),
    keepMs: 0,
    segmentEvents: 10,
    purgeEveryMs: 0,
    settleMs: 0,
    note: (text) => void notes.push(text),
    ...given,
  });
  onTestFinished(() => archiver.stop(5000));
  return { archiver, archive };
}

const extent = () => readExtent(connection, "ORDERS");

/** The sequences of archive and stream as one log. */
async function sequences(): Promise<number[]> {
  const { signal } = new AbortController();
  const all: number[] = [];
  for await (const batch of readLog(orderLog(connection), { from: 1, signal }))
    all.push(...batch.map(({ sequence }) => sequence));
  return all;
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

it("moves whole segments out of the stream, and leaves what is no whole one", async () => {
  await log.store(...orders(35));
  const { archive } = start();
  await until(async () => (await extent()).firstSequence === 31);
  expect(archive.manifest.segments.map(({ from, to, events }) => [from, to, events])).toEqual([
    [1, 10, 10],
    [11, 20, 10],
    [21, 30, 10],
  ]);
  expect(await sequences()).toEqual(upTo(35));
  await log.store(...orders(5, 2));
  await until(async () => (await extent()).firstSequence === 41);
  expect(await sequences()).toEqual(upTo(40));
  expect(notes).toEqual([]);
});

it("leaves what is younger than is kept, and what a consumer may still be handed", async () => {
  await log.store(...orders(20));
  const { archiver } = start({ keepMs: 3_600_000 });
  await until(() => archiver.status() !== undefined);
  expect(archiver.status()).toMatchObject({ movedTo: 0, behind: 0 });
  await archiver.stop(5000);
  await connection.jsm.consumers.add("ORDERS", { durable_name: "report", ack_policy: "explicit" as never });
  const held = start({ heldAfterMs: 0 });
  await until(() => held.archiver.problems().length === 1);
  expect(held.archiver.status()).toMatchObject({
    movedTo: 0,
    behind: 20,
    heldBack: { consumer: "report", sequence: 1 },
  });
  expect(notes).toEqual([
    expect.stringMatching(
      /^archive: consumer report holds back the archive since \S+Z: it has not settled message 1$/,
    ),
  ]);
  await connection.jsm.consumers.delete("ORDERS", "report");
  await until(async () => (await extent()).firstSequence === 21);
  expect(held.archiver.problems()).toEqual([]);
});

it("keeps in the stream what stands in the manifest for a short time only", async () => {
  await log.store(...orders(10));
  const { archive } = start({ settleMs: 3_600_000 });
  await until(() => archive.manifest.movedTo === 10);
  await archive.manifest.refresh();
  expect(await extent()).toMatchObject({ messages: 10, firstSequence: 1 });
});

it("does the work once though several do it, and leaves no file of those that came second", async () => {
  await log.store(...orders(60));
  const all = [start(), start(), start()];
  await until(async () => (await extent()).firstSequence === 61);
  await Promise.all(all.map(({ archiver }) => archiver.stop(5000)));
  expect(await sequences()).toEqual(upTo(60));
  const { archive } = all[0] as Started;
  await archive.manifest.refresh();
  expect(archive.manifest.segments).toHaveLength(6);
  expect(await openDirectoryStore(folder).list()).toHaveLength(4 * 6);
  expect(await archive.verify(new AbortController().signal)).toEqual({ faults: [] });
});

it("says once that its store takes nothing, and goes on when it does", async () => {
  await log.store(...orders(10));
  const store = openDirectoryStore(folder);
  let isFull = true;
  const filling: SegmentStore = {
    ...store,
    url: store.url,
    open: (name) => store.open(name),
    remove: (name) => store.remove(name),
    list: () => store.list(),
    close: () => store.close(),
    async write(name, content) {
      if (isFull) throw new OrderctlError("unavailable", "no space left", { source: "store" });
      return store.write(name, content);
    },
  };
  start({ store: filling });
  await until(() => notes.length === 1);
  expect(await extent()).toMatchObject({ messages: 10 });
  isFull = false;
  await until(async () => (await extent()).firstSequence === 11);
  expect(notes).toEqual([
    "archive: no space left",
    expect.stringMatching(/^archive: over after .* no space left$/),
  ]);
  expect(await sequences()).toEqual(upTo(10));
});

it("writes a file again that was damaged before its events left the stream", async () => {
  await log.store(...orders(10));
  const { archive, archiver } = start({ settleMs: 3_600_000 });
  await until(() => archive.manifest.movedTo === 10);
  await archiver.stop(5000);
  const [segment] = archive.manifest.segments;
  const path = join(folder, segment?.files.data.name ?? "");
  const bytes = await readFile(path);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  await writeFile(path, bytes);
  start();
  await until(async () => (await extent()).firstSequence === 11);
  expect(notes).toEqual([
    expect.stringMatching(/^archive: \S+\.parquet in \S+ is damaged: .*; it is written again from the log$/),
    expect.stringMatching(/^archive: over after /),
  ]);
  expect(await archive.verify(new AbortController().signal)).toEqual({ faults: [] });
  expect(await sequences()).toEqual(upTo(10));
});

describe("is refused", () => {
  it("where the manifest names another store, which it tells", async () => {
    await log.store(...orders(10));
    const { archive, archiver } = start();
    await until(() => archive.manifest.movedTo === 10);
    await archiver.stop(5000);
    await log.store(...orders(10, 2));
    start({ store: openDirectoryStore(await temporaryFolder()) });
    await until(() => notes.length === 1);
    expect(notes[0]).toMatch(/^archive: the log is archived in file:\S+ up to message 10, not in file:/);
    await archive.manifest.refresh();
    expect(archive.manifest.movedTo).toBe(10);
    expect(await sequences()).toEqual(upTo(20));
  });
});

it("moves nothing while a consumer of the flow is missing, which will be handed everything once it is there", async () => {
  await log.store(...orders(10));
  const whole = orderLog(connection);
  const archive = new SegmentedLog(connection, whole.flow, {});
  const archiver = startArchiver(whole, archive, {
    store: openDirectoryStore(folder),
    ...{ keepMs: 0, segmentEvents: 10, purgeEveryMs: 0, settleMs: 0 },
    note: (text) => void notes.push(text),
  });
  onTestFinished(() => archiver.stop(5000));
  await until(() => notes.length === 1);
  expect(notes).toEqual([
    expect.stringMatching(/^archive: consumer payment-processor of stream ORDERS is missing: /),
  ]);
  expect(await extent()).toMatchObject({ messages: 10 });
});

it("purges nothing of a stream that was made anew while it ran", async () => {
  await log.store(...orders(10));
  const { archive } = start({ settleMs: 2000 });
  await until(() => archive.manifest.movedTo === 10);
  await connection.jsm.streams.delete("ORDERS");
  await applyTopology(connection, flowTopology(orderFlow));
  await log.store(...orders(10, 2));
  await until(() => notes.some((note) => note.includes("is of another stream ORDERS")));
  expect(await extent()).toMatchObject({ messages: 10, firstSequence: 1 });
});

it("ends a segment earlier where its events are large", async () => {
  const large = "x".repeat(900_000);
  for (let n = 0; n < 90; n += 1) await log.storeBytes(`ORDERS.created.large-${n}`, large);
  const { archive } = start({ segmentEvents: 90 });
  await until(() => archive.manifest.movedTo > 0);
  expect(archive.manifest.movedTo).toBeLessThan(90);
  expect(archive.manifest.segments[0]?.events).toBe(archive.manifest.segments[0]?.to);
});

it("archives an event that nobody can read, with its bytes", async () => {
  await log.storeBytes("ORDERS.created.o-1", "no event");
  await log.storeBytes("ORDERS.elsewhere", "and no subject of the flow");
  await log.store(...orders(8));
  start();
  await until(async () => (await extent()).firstSequence === 11);
  const { archive } = orderLog(connection);
  expect(Buffer.from((await archive.readBySequence(2))?.payload ?? []).toString()).toBe(
    "and no subject of the flow",
  );
  expect(await archive.readKey("o-1")).toMatchObject([{ sequence: 1, subject: "ORDERS.created.o-1" }]);
});
