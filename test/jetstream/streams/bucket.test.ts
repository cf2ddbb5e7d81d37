import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { flowTopology } from "../../../src/flow/flow-topology.ts";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { Publisher } from "../../../src/jetstream/publish/publisher.ts";
import { applyTopology } from "../../../src/jetstream/streams/apply-topology.ts";
import { Bucket } from "../../../src/jetstream/streams/bucket.ts";
import { readLast } from "../../../src/jetstream/streams/read-message.ts";
import { orderShape } from "../../../src/orders/flow.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";

let broker: TestBroker;
let connection: Connection;
let publisher: Publisher;
let bucket: Bucket;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  await applyTopology(connection, flowTopology(orderShape));
  publisher = new Publisher(connection);
  bucket = new Bucket(connection, publisher, "INVENTORY");
});

afterAll(async () => {
  publisher.close();
  await connection.close();
  await broker.stop();
});

const revisionOf = async (key: string) => (await bucket.read(key))?.revision ?? 0;

it("knows nothing of a key that nobody has written", async () => {
  expect(await bucket.read("nobody")).toBeUndefined();
});

it.each([
  "plain-KEY_1",
  "with blanks in it",
  "a.b.c",
  "dots..and.",
  "star*and>wildcard",
  "=20",
  "50%",
  "größe/µ",
  "漢字 🙂",
  '"quoted"\ttab\nline',
])("keeps what was written under %j, and no other key", async (key) => {
  const revision = await bucket.write({ key, value: `of ${key}`, revision: 0 });
  expect(await bucket.read(key)).toEqual({ key, value: `of ${key}`, revision });
  expect((await bucket.list()).filter((entry) => entry.key === key)).toEqual([
    { key, value: `of ${key}`, revision, isForeign: false },
  ]);
});

it("keeps any key apart from any other", async () => {
  const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
  const property = fc.asyncProperty(text, text, async (one, other) => {
    fc.pre(one !== other);
    await bucket.write({ key: one, value: "one", revision: await revisionOf(one) });
    await bucket.write({ key: other, value: "other", revision: await revisionOf(other) });
    expect((await bucket.read(one))?.value).toBe("one");
    expect((await bucket.read(other))?.value).toBe("other");
  });
  await fc.assert(property, { numRuns: 50 });
});

it("answers undefined to a write whose revision is no longer the entry's, and keeps the entry", async () => {
  const first = Number(await bucket.write({ key: "cas", value: "1", revision: 0 }));
  expect(await bucket.write({ key: "cas", value: "late", revision: 0 })).toBeUndefined();
  const second = Number(await bucket.write({ key: "cas", value: "2", revision: first }));
  expect(second).toBeGreaterThan(first);
  expect(await bucket.write({ key: "cas", value: "late", revision: first })).toBeUndefined();
  expect(await bucket.read("cas")).toEqual({ key: "cas", value: "2", revision: second });
});

it("lets one of many win that write at the same time", async () => {
  const writes = Array.from({ length: 20 }, (_, index) =>
    bucket.write({ key: "race", value: String(index), revision: 0 }),
  );
  const won = (await Promise.all(writes)).filter((revision) => revision !== undefined);
  expect(won).toHaveLength(1);
});

it("is read and written by the client's own key-value store", async () => {
  const store = await connection.nats.jetstream().views.kv("INVENTORY", { bindOnly: true });
  await bucket.write({ key: "shared", value: "ours", revision: 0 });
  expect((await store.get("shared"))?.string()).toBe("ours");
  await store.put("shared", "theirs");
  expect((await bucket.read("shared"))?.value).toBe("theirs");
});

// One such key used to end the listing of all.
it.each([
  "size=M",
  "a.b",
  "50=zz",
  "half=2",
  "größe",
])("lists the key %j of another program as foreign", async (key) => {
  await connection.nats.jetstream().publish(`$KV.INVENTORY.${key}`, "theirs");
  const own = await bucket.write({ key, value: "ours", revision: 0 });
  const listed = (await bucket.list()).filter((entry) => entry.key === key);
  expect(listed).toEqual([
    { key, value: "theirs", revision: expect.any(Number), isForeign: true },
    { key, value: "ours", revision: own, isForeign: false },
  ]);
  await bucket.removeForeign(key);
  const removed = await readLast(connection, "KV_INVENTORY", `$KV.INVENTORY.${key}`);
  expect(removed?.header("KV-Operation")).toBe("DEL");
  expect((await bucket.list()).filter((entry) => entry.key === key)).toEqual([listed[1]]);
});

it("rejects, rather than answering undefined, where there is no such bucket", async () => {
  const missing = new Bucket(connection, publisher, "MISSING");
  await expect(missing.read("a")).rejects.toMatchObject({ code: "not_found" });
  await expect(missing.write({ key: "a", value: "1", revision: 0 })).rejects.toMatchObject({
    code: "no_responders",
  });
});
