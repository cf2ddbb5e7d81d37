import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { openObjectStore } from "../../src/archive/object-store.ts";
import type { SegmentStore } from "../../src/archive/segment-store.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { freeze, thaw } from "../support/freeze.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";

const base = "orders/date=2026-03-01/orders-1-9-0badcafe";
const data = `${base}.parquet`;
const keys = `${base}.keys`;

let broker: TestBroker;
let connection: Connection;
let bucket: string;
let cacheDir: string;
let store: SegmentStore;
let count = 0;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

beforeEach(async () => {
  count += 1;
  bucket = `ORDERS_${count}`;
  const parent = await mkdtemp(join(tmpdir(), "orderctl-cache-"));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  cacheDir = join(parent, "cache");
  store = openStore(connection);
});

function openStore(at: Connection): SegmentStore {
  const opened = openObjectStore(at, { bucket, cacheDir });
  onTestFinished(() => opened.close());
  return opened;
}

async function contentOf(name: string, from = store): Promise<string> {
  const file = await from.open(name);
  const content = Buffer.from(await file.read(0, file.bytes)).toString();
  await file.close();
  return content;
}

const unavailable = (text: RegExp) => ({
  code: "unavailable",
  source: "store",
  message: expect.stringMatching(text),
});
const purge = () => connection.jsm.streams.purge(`OBJ_${bucket}`);

describe("a store in a bucket", () => {
  it("returns what was written, whole and in parts", async () => {
    const content = randomBytes(500_000);
    await store.write(data, content);
    const file = await store.open(data);
    expect(file).toMatchObject({ bytes: content.length, name: `nats://${bucket}/${data}` });
    expect(Buffer.compare(await file.read(0, file.bytes), content)).toBe(0);
    expect(Buffer.compare(await file.read(400_000, 400_007), content.subarray(400_000, 400_007))).toBe(0);
    await expect(file.read(499_999, 500_001)).rejects.toMatchObject(
      unavailable(/it ends before byte 500001$/),
    );
    await file.close();
  });

  it("makes no bucket before something is written", async () => {
    expect(store.url).toBe(`nats://${bucket}`);
    await expect(store.open(data)).rejects.toMatchObject(
      unavailable(new RegExp(`^cannot read nats://${bucket}/${data}: .*stream not found`)),
    );
    await expect(store.list()).rejects.toMatchObject(
      unavailable(new RegExp(`^cannot list nats://${bucket}: `)),
    );
    await store.remove(data);
    await expect(connection.jsm.streams.info(`OBJ_${bucket}`)).rejects.toThrow("stream not found");
  });

  it("lists all files, and nothing once they are removed", async () => {
    for (const name of [data, keys]) await store.write(name, Buffer.from(name));
    expect((await store.list()).sort()).toEqual([keys, data]);
    for (const name of [data, keys, data]) await store.remove(name);
    expect(await store.list()).toEqual([]);
    for (const name of [data, keys])
      await expect(store.open(name)).rejects.toMatchObject(unavailable(/: there is no such object$/));
  });

  it("says that a file is damaged, and never returns it", async () => {
    await store.write(data, randomBytes(200_000));
    await connection.jsm.streams.purge(`OBJ_${bucket}`, { filter: `$O.${bucket}.C.>`, keep: 1 });
    await expect(store.open(data)).rejects.toMatchObject(
      unavailable(new RegExp(`^cannot read nats://${bucket}/${data}: .* damaged`)),
    );
  });

  it("says that the broker does not answer, in time", async () => {
    const { broker: own } = await brokerOfTest();
    const short = await openTestConnection(own.url, { timeoutMs: 300 });
    onTestFinished(() => short.close());
    const slow = openStore(short);
    await slow.write(data, Buffer.from("x"));
    await freeze(own.pid);
    onTestFinished(() => void thaw(own.pid));
    const began = performance.now();
    await expect(slow.open(data)).rejects.toMatchObject(
      unavailable(/^cannot read nats:.*parquet: .*no answer in time/),
    );
    await expect(slow.list()).rejects.toMatchObject(unavailable(/^cannot list nats:/));
    await expect(slow.remove(data)).rejects.toMatchObject(unavailable(/^cannot remove nats:.*parquet: /));
    await expect(slow.write(data, Buffer.from("y"))).rejects.toMatchObject(
      unavailable(/^cannot write nats:.*parquet: /),
    );
    expect(performance.now() - began).toBeLessThan(3000);
  });
});

describe("the cache of a store in a bucket", () => {
  it("has the hashes of keys that were read once, also for others, and no messages", async () => {
    for (const name of [data, keys]) await store.write(name, Buffer.from(name));
    for (const name of [data, keys]) expect(await contentOf(name)).toBe(name);
    await purge();
    expect(await contentOf(keys)).toBe(keys);
    expect(await contentOf(keys, openStore(connection))).toBe(keys);
    await expect(store.open(data)).rejects.toMatchObject({ code: "unavailable" });
  });

  it("forgets a file that is written again or removed", async () => {
    await store.write(keys, Buffer.from("one"));
    expect(await contentOf(keys)).toBe("one");
    await store.write(keys, Buffer.from("two"));
    expect(await contentOf(keys)).toBe("two");
    await store.remove(keys);
    await expect(store.open(keys)).rejects.toMatchObject({ code: "unavailable" });
  });

  it("is done without where its folder cannot be made", async () => {
    await mkdir(join(cacheDir, ".."), { recursive: true });
    await writeFile(cacheDir, "a file where the folder should be");
    await store.write(keys, Buffer.from("one"));
    expect(await contentOf(keys)).toBe("one");
    expect(await contentOf(keys)).toBe("one");
  });
});
