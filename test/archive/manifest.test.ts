import { beforeEach, describe, expect, it } from "vitest";
import { entryText, Manifest, type SegmentEntry } from "../../src/archive/manifest.ts";
import { flowTopology } from "../../src/flow/flow-topology.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { applyTopology, readStreamIdentity } from "../../src/jetstream/streams/apply-topology.ts";
import { orderShape } from "../../src/orders/flow.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";

let broker: TestBroker;
let connection: Connection;
let log: string;

beforeEach(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  await applyTopology(connection, flowTopology(orderShape));
  log = await readStreamIdentity(connection, "ORDERS");
  return async () => {
    await connection.close();
    await broker.stop();
  };
});

const open = () => new Manifest(connection, "ORDERS");

const file = (name: string) => ({ name, bytes: 10, sha256: "ab" });

const entry = (from: number, previous: string | null, changed: Partial<SegmentEntry> = {}): SegmentEntry => ({
  version: 1,
  store: "file:///archive",
  log,
  from,
  to: from + 9,
  events: 10,
  keys: 2,
  storedFromUs: from * 1e6,
  storedToUs: (from + 9) * 1e6,
  files: { data: file(`${from}.parquet`), keys: file(`${from}.keys`), audit: file(`${from}.audit`) },
  previous,
  ...changed,
});

/** Enters so many segments of ten messages. */
async function enter(manifest: Manifest, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const before = manifest.segments.at(-1);
    expect(await manifest.append(entry((before?.to ?? 0) + 1, before?.sha256 ?? null))).toBe(true);
    await manifest.refresh();
  }
}

const put = (key: string, text: string) =>
  connection.nats.jetstream().publish(`$KV.ORDERS_ARCHIVE.${key}`, text);

it("is empty where nothing is archived, also without its bucket", async () => {
  const manifest = open();
  expect(manifest.ageMs).toBe(Number.POSITIVE_INFINITY);
  await manifest.refresh();
  expect(manifest).toMatchObject({ movedTo: 0, segments: [] });
  await connection.jsm.streams.delete("KV_ORDERS_ARCHIVE");
  const without = open();
  await without.refresh();
  expect(without.movedTo).toBe(0);
});

it.each([
  3, 40,
])("is read in the order of the log, and from then on what is new (%i segments)", async (count) => {
  const writing = open();
  await writing.refresh();
  await enter(writing, count);
  const reading = open();
  await reading.refresh();
  expect(reading.segments).toEqual(writing.segments);
  expect(reading.movedTo).toBe(count * 10);
  await enter(writing, 1);
  await reading.refresh(60_000);
  expect(reading.movedTo).toBe(count * 10);
  await reading.refresh();
  expect(reading.movedTo).toBe(count * 10 + 10);
});

it("takes each segment from one archiver only", async () => {
  const [one, other] = [open(), open()];
  await Promise.all([one.refresh(), other.refresh()]);
  const appended = await Promise.all([
    one.append(entry(1, null, { store: "file:///one" })),
    other.append(entry(1, null, { store: "file:///other" })),
  ]);
  expect(appended.filter(Boolean)).toHaveLength(1);
  await other.refresh();
  expect(other.segments).toHaveLength(1);
});

it("tells of a segment that its messages are pruned, also to those who know the segment", async () => {
  const [one, other] = [open(), open()];
  await one.refresh();
  await enter(one, 2);
  await other.refresh();
  const [first] = one.segments;
  if (first) await one.markPruned(first);
  for (const manifest of [one, other]) {
    await manifest.refresh();
    expect(manifest.segments.map(({ prunedAtMs }) => prunedAtMs)).toEqual([expect.any(Number), undefined]);
  }
});

describe("is damaged", () => {
  it.each([
    ["that is no JSON", () => "nothing", "is no entry of a segment"],
    ["of fields that are others", () => "{}", "is no entry of a segment"],
    [
      "that does not follow from the one before",
      () => entryText(entry(11, "0".repeat(64))),
      "does not follow from the one before",
    ],
  ])("with an entry %s", async (_, text, why) => {
    await put("segment-00000001", entryText(entry(1, null)));
    await put("segment-00000002", text());
    await expect(open().refresh()).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining(why),
    });
  });

  it("where a segment between two others is missing", async () => {
    const manifest = open();
    await manifest.refresh();
    await enter(manifest, 1);
    await put("segment-00000002", entryText(entry(21, manifest.segments[0]?.sha256 ?? "")));
    await expect(manifest.refresh()).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("does not begin behind message 10"),
    });
  });
});

it("takes one first segment, whatever two archivers found to be the first message", async () => {
  const [one, other] = [open(), open()];
  await Promise.all([one.refresh(), other.refresh()]);
  expect(await one.append(entry(1, null))).toBe(true);
  expect(await other.append(entry(2, null))).toBe(false);
  await other.refresh();
  expect(other.segments.map(({ from }) => from)).toEqual([1]);
});

it("takes no entry that does not follow from the last one, which was entered while it was made", async () => {
  const [one, other] = [open(), open()];
  await Promise.all([one.refresh(), other.refresh()]);
  const late = entry(1, null);
  await one.append(entry(1, null));
  await other.refresh();
  expect(await other.append(late)).toBe(false);
  await other.refresh();
  expect(other.segments.map(({ from }) => from)).toEqual([1]);
});

it("belongs to one stream: another of the same name has none of its messages", async () => {
  const manifest = open();
  await manifest.refresh();
  await enter(manifest, 1);
  await connection.jsm.streams.delete("ORDERS");
  await applyTopology(connection, flowTopology(orderShape));
  await expect(open().refresh()).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining("is of another stream ORDERS, created at"),
  });
});

it("is never taken for empty while the broker does not answer", async () => {
  const manifest = open();
  await manifest.refresh();
  await broker.kill();
  await expect(manifest.refresh()).rejects.toMatchObject({
    code: expect.stringMatching(/unavailable|timeout/),
    message: expect.stringMatching(/^cannot tell what of ORDERS is archived: /),
  });
});

it("takes no entry that nobody could read", async () => {
  const manifest = open();
  await manifest.refresh();
  for (const changed of [{ to: 0 }, { events: 0 }])
    await expect(manifest.append(entry(1, null, changed))).rejects.toMatchObject({ code: "internal" });
  await manifest.refresh();
  expect(manifest.segments).toEqual([]);
});

it("is of another stream as soon as its own is made anew", async () => {
  const manifest = open();
  await manifest.refresh();
  await enter(manifest, 1);
  await connection.jsm.streams.delete("ORDERS");
  await applyTopology(connection, flowTopology(orderShape));
  await expect(manifest.refresh()).rejects.toMatchObject({ code: "conflict" });
});
