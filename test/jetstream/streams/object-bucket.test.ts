import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { isOlder } from "../../../src/core/compare-versions.ts";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { ObjectBucket } from "../../../src/jetstream/streams/object-bucket.ts";
import { brokerOfTest } from "../../support/broker-of-test.ts";
import { freeze, thaw } from "../../support/freeze.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";

let broker: TestBroker;
let connection: Connection;
let bucket: ObjectBucket;
let name: string;
let count = 0;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

beforeEach(() => {
  count += 1;
  name = `ARCHIVE_${count}`;
  bucket = bucketAt(connection);
});

function bucketAt(at: Connection): ObjectBucket {
  const opened = new ObjectBucket(at, { bucket: name });
  onTestFinished(() => opened.close());
  return opened;
}

const infoSubject = (object: string) =>
  `$O.${name}.M.${Buffer.from(object).toString("base64").replaceAll("+", "-").replaceAll("/", "_")}`;

const stateOf = async () => (await connection.jsm.streams.info(`OBJ_${name}`)).state;
const chunkSubjects = async () => {
  const { state } = await connection.jsm.streams.info(`OBJ_${name}`, { subjects_filter: `$O.${name}.C.>` });
  return Object.keys(state.subjects ?? {});
};
const storeInfo = (object: string, info: object) =>
  connection.nats.jetstream().publish(infoSubject(object), JSON.stringify({ name: object, ...info }));

describe("a bucket of objects", () => {
  it.each([0, 1, 131_072, 131_073, 1_500_000])("returns the %d bytes that were put", async (size) => {
    const content = randomBytes(size);
    await bucket.put("a/b=c/d.parquet", content);
    expect(Buffer.compare((await bucket.get("a/b=c/d.parquet")) ?? Buffer.from("none"), content)).toBe(0);
    expect((await stateOf()).messages).toBe(1 + Math.ceil(size / 131_072));
  });

  it("is made when the first object is put, for as many servers as it is told", async () => {
    await expect(bucket.get("a")).rejects.toMatchObject({ code: "not_found" });
    await expect(bucket.list()).rejects.toMatchObject({ code: "not_found" });
    await bucket.put("a", Buffer.from("x"));
    const { config } = await connection.jsm.streams.info(`OBJ_${name}`);
    expect(config).toMatchObject({ storage: "file", num_replicas: 1, discard: "new", max_age: 0 });
    const replicated = new ObjectBucket(connection, { bucket: `${name}_R3`, replicas: 3 });
    onTestFinished(() => replicated.close());
    // One server cannot have three replicas; nats-server 2.9 is not trusted with several at all.
    await expect(replicated.put("a", Buffer.from("x"))).rejects.toMatchObject({
      code: isOlder(connection.version, "2.9.21") ? "unavailable" : "usage",
    });
  });

  it("lists what is there, each once, under any name", async () => {
    const names = ["orders/a-1.keys", "größe µ", "a b", "x".repeat(500), "_/+=-"];
    for (const each of names) await bucket.put(each, Buffer.from(each));
    await bucket.put("a b", Buffer.from("again"));
    await bucket.put("removed", Buffer.from("x"));
    await bucket.remove("removed");
    expect((await bucket.list()).sort()).toEqual(names.toSorted());
    for (const each of names.filter((one) => one !== "a b"))
      expect(Buffer.from((await bucket.get(each)) ?? []).toString()).toBe(each);
  });

  it("leaves nothing of an object that was removed or replaced but a line", async () => {
    await bucket.put("a", randomBytes(300_000));
    const [old] = await chunkSubjects();
    await bucket.put("a", randomBytes(200_000));
    expect(await chunkSubjects()).toHaveLength(1);
    expect(await chunkSubjects()).not.toContain(old);
    await bucket.remove("a");
    await bucket.remove("a");
    expect(await chunkSubjects()).toEqual([]);
    expect(await bucket.get("a")).toBeUndefined();
    expect((await stateOf()).messages).toBe(1);
  });

  it("is read and written by the client's own object store as well", async () => {
    const content = randomBytes(400_000);
    await bucket.put("ours", content);
    const theirs = await connection.nats.jetstream().views.os(name);
    expect(Buffer.compare((await theirs.getBlob("ours")) ?? new Uint8Array(), content)).toBe(0);
    expect(await theirs.info("ours")).toMatchObject({ size: 400_000, chunks: 4, deleted: false });
    await theirs.putBlob({ name: "theirs" }, content);
    expect(Buffer.compare((await bucket.get("theirs")) ?? new Uint8Array(), content)).toBe(0);
    await theirs.putBlob({ name: "ours" }, Buffer.from("replaced"));
    expect(Buffer.from((await bucket.get("ours")) ?? []).toString()).toBe("replaced");
    await theirs.delete("ours");
    expect(await bucket.list()).toEqual(["theirs"]);
    await bucket.put("ours", Buffer.from("once more"));
    await bucket.remove("theirs");
    expect((await theirs.list()).map((info) => info.name)).toEqual(["ours"]);
    expect(await theirs.getBlob("theirs")).toBeNull();
  });

  it("lets one of many put an object at a time, and that one is whole", async () => {
    const contents = Array.from({ length: 6 }, () => randomBytes(300_000));
    const put = await Promise.allSettled(contents.map((content) => bucketAt(connection).put("a", content)));
    expect(put.some(({ status }) => status === "fulfilled")).toBe(true);
    for (const each of put) {
      if (each.status === "rejected") expect(each.reason.code).toMatch(/^(conflict|unavailable)$/);
    }
    const found = Buffer.from((await bucket.get("a")) ?? []);
    expect(contents.some((content) => content.equals(found))).toBe(true);
    expect(await chunkSubjects()).toHaveLength(1);
  });
});

describe("an object that is not whole", () => {
  const damaged = { code: "unavailable", message: expect.stringMatching(/object a is damaged/) };

  it("is not returned when a chunk of it is missing, or all are", async () => {
    await bucket.put("a", randomBytes(300_000));
    const chunk = await connection.jsm.streams.getMessage(`OBJ_${name}`, { seq: 3 });
    expect(chunk.subject).toMatch(/\.C\./);
    await connection.jsm.streams.deleteMessage(`OBJ_${name}`, 3);
    await expect(bucket.get("a")).rejects.toMatchObject(damaged);
    await connection.jsm.streams.purge(`OBJ_${name}`, { filter: `$O.${name}.C.>` });
    await expect(bucket.get("a")).rejects.toMatchObject(damaged);
  });

  it("is not returned when there is more of it, or something else", async () => {
    await bucket.put("a", Buffer.from("content"));
    const [subject = ""] = await chunkSubjects();
    await connection.nats.jetstream().publish(subject, "more");
    await expect(bucket.get("a")).rejects.toMatchObject(damaged);
    await connection.jsm.streams.purge(`OBJ_${name}`, { filter: subject });
    await connection.nats.jetstream().publish(subject, "CONTENT");
    await expect(bucket.get("a")).rejects.toMatchObject(damaged);
  });

  it("is not there while it is put, and what a crash leaves of it goes with the next put", async () => {
    await bucket.put("other", Buffer.from("x"));
    await storeInfo("a", { nuid: "crashed", size: 0, chunks: 0, digest: "", deleted: true });
    await connection.nats.jetstream().publish(`$O.${name}.C.crashed`, "half of it");
    expect(await bucket.get("a")).toBeUndefined();
    expect(await bucket.list()).toEqual(["other"]);
    await bucket.remove("a");
    expect(await chunkSubjects()).toContain(`$O.${name}.C.crashed`);
    await bucket.put("a", Buffer.from("whole"));
    expect(await chunkSubjects()).not.toContain(`$O.${name}.C.crashed`);
    expect(Buffer.from((await bucket.get("a")) ?? []).toString()).toBe("whole");
  });

  it("says its chunks' subject first, so that a crash leaves nothing that nobody knows of", async () => {
    await bucket.put("a", randomBytes(200_000));
    const first = await connection.jsm.streams.getMessage(`OBJ_${name}`, { seq: 1 }).catch(() => undefined);
    // The description replaces the announcement, which was the first message of the stream.
    expect(first).toBeUndefined();
    expect((await connection.jsm.streams.getMessage(`OBJ_${name}`, { seq: 2 })).subject).toMatch(/\.C\./);
  });

  it.each([
    ["nothing", ""],
    ["no JSON", "{"],
    ["a subject of many objects", JSON.stringify({ name: "a", nuid: ">", size: 1 })],
    ["no size", JSON.stringify({ name: "a", nuid: "n" })],
    ["another name", JSON.stringify({ name: "b", nuid: "n", size: 1 })],
  ])("is not removed with others when its description has %s", async (_, text) => {
    await bucket.put("other", Buffer.from("x"));
    await connection.nats.jetstream().publish(infoSubject("a"), text);
    const rejected = { code: "unavailable", message: expect.stringMatching(/describes no object/) };
    await expect(bucket.get("a")).rejects.toMatchObject(rejected);
    await expect(bucket.remove("a")).rejects.toMatchObject(rejected);
    expect(Buffer.from((await bucket.get("other")) ?? []).toString()).toBe("x");
  });
});

describe("a bucket whose settings would let objects go", () => {
  it.each([
    ["max_age", { max_age: 60e9 }],
    ["storage", { storage: "memory" }],
    ["max_msgs_per_subject", { max_msgs_per_subject: 1 }],
    ["discard", { discard: "old", max_bytes: 1e6 }],
  ])("is refused because of %s", async (setting, settings) => {
    const subjects = [`$O.${name}.C.>`, `$O.${name}.M.>`];
    const config = { discard: "new", allow_rollup_hdrs: true, ...settings };
    await connection.jsm.streams.add({ name: `OBJ_${name}`, subjects, ...config } as never);
    await expect(bucket.put("a", Buffer.from("x"))).rejects.toMatchObject({
      code: "usage",
      message: expect.stringMatching(new RegExp(`${setting} .*: objects would be lost`)),
    });
    expect((await stateOf()).messages).toBe(0);
  });
});

describe("a broker that stores or answers no more", () => {
  it("makes a put fail where the bucket is full, which leaves nothing of the object", async () => {
    const subjects = [`$O.${name}.C.>`, `$O.${name}.M.>`];
    const config = { discard: "new", allow_rollup_hdrs: true, max_bytes: 400_000 };
    await connection.jsm.streams.add({ name: `OBJ_${name}`, subjects, ...config } as never);
    await bucket.put("small", randomBytes(1000));
    await expect(bucket.put("large", randomBytes(900_000))).rejects.toMatchObject({ code: "stream_full" });
    expect(await bucket.list()).toEqual(["small"]);
    expect(await chunkSubjects()).toHaveLength(1);
  });

  it("ends every call in time, and all work again afterwards", async () => {
    const { broker: own } = await brokerOfTest();
    const timeoutMs = 400;
    const short = await openTestConnection(own.url, { timeoutMs });
    onTestFinished(() => short.close());
    const slow = bucketAt(short);
    const content = randomBytes(1_000_000);
    await slow.put("a", content);
    await freeze(own.pid);
    onTestFinished(() => void thaw(own.pid));
    const began = performance.now();
    const calls = [slow.put("b", content), slow.get("a"), slow.list(), slow.remove("a")];
    const ended = await Promise.allSettled(calls);
    expect(performance.now() - began).toBeLessThan(5 * timeoutMs);
    for (const each of ended) {
      expect(each.status).toBe("rejected");
      if (each.status === "rejected") expect(each.reason.code).toMatch(/^(timeout|unavailable)$/);
    }
    thaw(own.pid);
    expect(
      createHash("sha256")
        .update((await slow.get("a")) ?? "")
        .digest(),
    ).toEqual(createHash("sha256").update(content).digest());
  });

  it("makes a put end in time that has begun, and the next one does it", async () => {
    const { broker: own } = await brokerOfTest();
    const short = await openTestConnection(own.url, { timeoutMs: 400 });
    onTestFinished(() => short.close());
    const slow = bucketAt(short);
    await slow.put("first", Buffer.from("x"));
    const subscription = short.nats.subscribe(`$O.${name}.C.*`, {
      callback: () => process.kill(own.pid, "SIGSTOP"),
    });
    onTestFinished(() => void thaw(own.pid));
    const content = randomBytes(2_000_000);
    await expect(slow.put("a", content)).rejects.toMatchObject({
      code: expect.stringMatching(/^(timeout|unavailable)$/),
    });
    subscription.unsubscribe();
    thaw(own.pid);
    expect(await slow.get("a")).toBeUndefined();
    await slow.put("a", content);
    expect(Buffer.compare((await slow.get("a")) ?? new Uint8Array(), content)).toBe(0);
    expect((await short.jsm.streams.info(`OBJ_${name}`)).state.messages).toBe(2 + 1 + 16);
  });

  it("is waited for while it restarts", async () => {
    const { broker: own, connection: patient } = await brokerOfTest();
    const slow = bucketAt(patient);
    await slow.put("first", Buffer.from("x"));
    const content = randomBytes(4_000_000);
    let isRestarting: Promise<void> | undefined;
    const subscription = patient.nats.subscribe(`$O.${name}.C.*`, {
      callback: () => {
        isRestarting ??= own.restart();
      },
    });
    await slow.put("a", content);
    subscription.unsubscribe();
    await isRestarting;
    expect(isRestarting).toBeDefined();
    expect(Buffer.compare((await slow.get("a")) ?? new Uint8Array(), content)).toBe(0);
  });
});
