import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { openArchivedKeys } from "../../src/archive/archived-keys.ts";
import { Manifest, type Segment } from "../../src/archive/manifest.ts";
import { SegmentedLog } from "../../src/archive/segmented-log.ts";
import type { ArchivedKeys } from "../../src/flow/archived-log.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { type ArchiveFolder, archiveFolder, archiveLog, purgeArchived } from "../support/archive-log.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { freeze, thaw } from "../support/freeze.ts";
import { created } from "../support/handler-context.ts";
import { openLogWriter } from "../support/log-writer.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { orderLog } from "../support/order-log.ts";
import { until } from "../support/until.ts";

type Opened = { keys: ArchivedKeys; notes: string[] };

type Settings = { mostBytes?: number; patient?: AbortSignal };

async function open(connection: Connection, settings: Settings = {}): Promise<Opened> {
  const notes: string[] = [];
  const keys = await openArchivedKeys(orderLog(connection), {
    env: process.env,
    who: "payment",
    note: (text) => notes.push(text),
    ...settings,
  });
  onTestFinished(() => keys.stop());
  return { keys, notes };
}

async function world() {
  const { broker, connection } = await brokerOfTest();
  const log = await openLogWriter(connection);
  onTestFinished(() => log.close());
  const store = (...ids: string[]) => log.store(...ids.map((orderId) => ({ ...created, orderId })));
  return { broker, connection, log, store, folder: await archiveFolder() };
}

const pathOf = ({ path }: ArchiveFolder, { files }: Segment) => join(path, files.keys.name);

it("is certain at once where nothing was ever archived, and answers without a look-up", async () => {
  const { connection } = await brokerOfTest();
  const { keys, notes } = await open(connection);
  expect(keys.isCertain()).toBe(true);
  expect(keys.findFirst("o-1")).toBeUndefined();
  expect(notes).toEqual([]);
});

it("finds the first event of an archived key, also after it was purged, and answers at once for others", async () => {
  const { connection, log, store, folder } = await world();
  await store("o-1", "o-2");
  await log.storeBytes("ORDERS.shipments.o-3", "no event, and no order");
  await purgeArchived(connection, await archiveLog(connection, folder));
  await store("o-4");
  const { keys } = await open(connection);
  expect(keys.isCertain()).toBe(true);
  expect(await keys.findFirst("o-1")).toMatchObject({ sequence: 1 });
  expect(await keys.findFirst("o-2")).toMatchObject({ sequence: 2 });
  expect(await keys.findFirst("o-3")).toBeUndefined();
  expect(keys.findFirst("o-4")).toBeUndefined();
});

it("is told the first of several segments with a key", async () => {
  const { connection, store, folder } = await world();
  await store("o-1");
  await purgeArchived(connection, await archiveLog(connection, folder));
  await store("o-1");
  await archiveLog(connection, folder);
  const { keys } = await open(connection);
  expect(await keys.findFirst("o-1")).toMatchObject({ sequence: 1 });
});

it("learns of new segments while it runs", async () => {
  const { connection, store, folder } = await world();
  const { keys } = await open(connection);
  for (const [index, orderId] of ["o-1", "o-2"].entries()) {
    await store(orderId);
    expect(keys.findFirst(orderId)).toBeUndefined();
    await archiveLog(connection, folder);
    await until(() => keys.findFirst(orderId) !== undefined, 4000);
    expect(await keys.findFirst(orderId)).toMatchObject({ sequence: index + 1 });
    expect(keys.isCertain()).toBe(true);
  }
});

it("takes a key for archived whose messages were pruned", async () => {
  const { connection, store, folder } = await world();
  await store("o-0", "o-1");
  const segment = await archiveLog(connection, folder);
  await new Manifest(connection, "ORDERS").markPruned(segment);
  const { keys } = await open(connection);
  expect(await keys.findFirst("o-1")).toMatchObject({ sequence: 1 });
  expect(keys.findFirst("o-2")).toBeUndefined();
});

it("looks into the files of segments that have no room in memory, and says so once", async () => {
  const { connection, store, folder } = await world();
  for (const orderId of ["o-1", "o-2", "o-3"]) {
    await store(orderId);
    await archiveLog(connection, folder);
  }
  const { keys, notes } = await open(connection, { mostBytes: 0 });
  expect(keys.isCertain()).toBe(true);
  expect(await keys.findFirst("o-2")).toMatchObject({ sequence: 2 });
  expect(await keys.findFirst("o-4")).toBeUndefined();
  await store("o-4");
  await archiveLog(connection, folder);
  await until(async () => (await keys.findFirst("o-4"))?.sequence === 4);
  expect(notes).toEqual([
    "the keys of 3 of 3 archived segments have no room in memory: each order is looked up in their files, which takes longer",
  ]);
});

it.each([
  ["lost", (path: string) => rename(path, `${path}.away`), (path: string) => rename(`${path}.away`, path)],
  [
    "damaged",
    async (path: string) => {
      const bytes = await readFile(path);
      await writeFile(`${path}.away`, bytes);
      await writeFile(path, bytes.fill(0));
    },
    (path: string) => rename(`${path}.away`, path),
  ],
])("is not certain while a file of keys is %s, says why once, and goes on when it is back", async (_, harm, mend) => {
  const { connection, store, folder } = await world();
  await store("o-1");
  const path = pathOf(folder, await archiveLog(connection, folder));
  await harm(path);
  const { keys, notes } = await open(connection);
  expect(keys.isCertain()).toBe(false);
  expect(notes).toHaveLength(1);
  expect(notes[0]).toMatch(/^payment: takes nothing: .*orders\/orders-1-1\.keys/);
  expect(notes[0]).toContain(folder.url);
  expect(keys.problems()).toMatchObject([{ text: expect.stringContaining("takes nothing") }]);
  await mend(path);
  await until(() => keys.isCertain());
  expect(keys.problems()).toEqual([]);
  expect(await keys.findFirst("o-1")).toMatchObject({ sequence: 1 });
  expect(notes).toHaveLength(2);
  expect(notes[1]).toMatch(/^payment: over after /);
});

it("stays certain for 5 s without the keys of a new segment, and no longer", async () => {
  const { connection, store, folder } = await world();
  const { keys, notes } = await open(connection);
  await store("o-1");
  const startedAt = performance.now();
  const segment = await archiveLog(connection, folder);
  await rename(pathOf(folder, segment), `${pathOf(folder, segment)}.away`);
  await until(() => !keys.isCertain(), 9000);
  expect(performance.now() - startedAt).toBeGreaterThan(2500);
  await until(() => notes.length === 1);
  await rename(`${pathOf(folder, segment)}.away`, pathOf(folder, segment));
  await until(() => keys.isCertain());
  expect(await keys.findFirst("o-1")).toMatchObject({ sequence: 1 });
});

it("is not certain 5 s after the broker was last heard, and says so", async () => {
  const { broker, connection } = await world();
  const { keys, notes } = await open(connection);
  expect(keys.isCertain()).toBe(true);
  await broker.stop();
  await until(() => !keys.isCertain(), 9000);
  await until(() => notes.length > 0, 5000);
  expect(notes[0]).toMatch(/^payment: takes nothing: cannot tell what of ORDERS is archived/);
});

it("waits for the first read as long as it takes for who is patient, and for no more than 2 s for others", async () => {
  const { broker } = await world();
  const slow = await openTestConnection(broker.url, { timeoutMs: 10_000 });
  onTestFinished(() => slow.close());
  await freeze(broker.pid);
  onTestFinished(() => void thaw(broker.pid));
  const opening = open(slow, { patient: new AbortController().signal });
  const hasty = await open(slow);
  expect(hasty.keys.isCertain()).toBe(false);
  const ending = new AbortController();
  const ended = open(slow, { patient: ending.signal });
  ending.abort();
  expect((await ended).keys.isCertain()).toBe(false);
  thaw(broker.pid);
  expect((await opening).keys.isCertain()).toBe(true);
  await until(() => hasty.keys.isCertain());
});

it("is not certain where a segment is of another stream of that name", async () => {
  const { connection, store, folder } = await world();
  await store("o-1");
  await archiveLog(connection, folder);
  await connection.jsm.streams.delete("ORDERS");
  await openLogWriter(connection).then((again) => again.close());
  const { keys, notes } = await open(connection);
  expect(keys.isCertain()).toBe(false);
  expect(notes[0]).toContain("is of another stream ORDERS");
});

it("is not certain from a reconnect on, until it has read again: the machine may have stood still", async () => {
  const { broker, connection } = await world();
  let reconnect = () => {};
  const onReconnect = (callback: () => void) => {
    reconnect = callback;
    return () => {};
  };
  const { keys, notes } = await open({ ...connection, onReconnect });
  await freeze(broker.pid);
  onTestFinished(() => void thaw(broker.pid));
  reconnect();
  expect(keys.isCertain()).toBe(false);
  expect(keys.isRead()).toBe(true);
  thaw(broker.pid);
  await until(() => keys.isCertain());
  expect(notes).toEqual([]);
});

it("reads a segment whole once it is asked for many of its keys", async () => {
  const { connection, store, folder } = await world();
  const ids = Array.from({ length: 120 }, (_, n) => `o-${n}`);
  await store(...ids);
  const segment = await archiveLog(connection, folder);
  const { keys } = await open(connection);
  for (const [index, id] of ids.slice(0, 100).entries())
    expect(await keys.findFirst(id)).toMatchObject({ sequence: index + 1 });
  await rename(join(folder.path, segment.files.data.name), join(folder.path, "away"));
  for (const [index, id] of ids.entries())
    expect(await keys.findFirst(id)).toMatchObject({ sequence: index + 1 });
  expect(await keys.findFirst("o-120")).toBeUndefined();
});

it("looks many keys up in memory, those of new segments too", async () => {
  const { connection, store, folder } = await world();
  await store("o-1");
  const segment = await archiveLog(connection, folder);
  const archive = new SegmentedLog(connection, orderLog(connection).flow, process.env);
  for (let n = 0; n < 20; n += 1) expect(await archive.readKey(`none-${n}`)).toEqual([]);
  await rename(pathOf(folder, segment), `${pathOf(folder, segment)}.away`);
  expect(await archive.readKey("none-20")).toEqual([]);
  await rename(`${pathOf(folder, segment)}.away`, pathOf(folder, segment));
  await store("o-2");
  await archiveLog(connection, folder);
  await archive.manifest.refresh();
  expect(await archive.readKey("o-2")).toMatchObject([{ sequence: 2 }]);
});
