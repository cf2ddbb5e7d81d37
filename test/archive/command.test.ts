import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Segment } from "../../src/archive/manifest.ts";
import { SegmentedLog } from "../../src/archive/segmented-log.ts";
import { isoTime } from "../../src/core/units.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import { ways } from "../orders/order-log.ts";
import { openLogWriter } from "../support/log-writer.ts";
import { ArchiveWorld } from "./archive-world.ts";

let world: ArchiveWorld;

beforeEach(async () => {
  world = await ArchiveWorld.open();
  return () => world.close();
});

const filesIn = (): string[] =>
  readdirSync(world.folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map(({ name }) => name);

/** Five orders with 21 messages; the last one stays out of the two segments of 10. */
async function storeAndArchive(): Promise<readonly Segment[]> {
  await world.log.store(...["a", "b", "c", "d"].flatMap(ways.SHIPPED), ...ways.DECLINED("e").slice(0, 1));
  await world.archiveTo(20, 10);
  return world.segments();
}

const put = (name: string, content = "x") => {
  mkdirSync(dirname(join(world.folder, name)), { recursive: true });
  writeFileSync(join(world.folder, name), content);
};

describe("archive, where nothing is archived", () => {
  it.each([
    "list",
    "show 1",
    "verify",
    "prune --older-than 1h",
  ])("%s says so, and what archives", async (words) => {
    const ran = await world.archive(words);
    expect(ran).toMatchObject({ exitCode: 4, stdout: "" });
    expect(ran.stderr).toMatch(
      /^error: nothing of ORDERS at nats:.* is archived\n {2}orderctl serve archive/,
    );
  });

  it("says so as well where even the manifest is missing", async () => {
    await world.connection.jsm.streams.delete("KV_ORDERS_ARCHIVE");
    expect((await world.archive("list")).exitCode).toBe(4);
  });
});

describe("archive list", () => {
  it("tells first how far, in how many segments and where, and what the stream holds", async () => {
    await storeAndArchive();
    await world.purgeTo(20);
    const { stdout, exitCode } = await world.archive("list", { columns: 500 });
    const lines = stdout.split("\n");
    expect(lines[0]).toMatch(
      /^archived up to message 20, stored \d{4}-.*Z, in 2 segments, [\d.]+ kB in file:\S+; the stream ORDERS still holds 1 message, 21 to 21$/,
    );
    expect(lines[0]).toContain(world.url);
    expect(lines[2]).toMatch(/^messages +events +keys +stored from +to +size +pruned$/);
    expect(lines[3]).toMatch(/^1 to 10 +10 +2 /);
    expect(lines[4]).toMatch(/^11 to 20 +10 +2 /);
    expect(exitCode).toBe(0);
  });

  it("shows the last 20 segments, and all with --all", async () => {
    await world.log.store(...["a", "b", "c", "d", "e"].flatMap(ways.SHIPPED));
    await world.archiveTo(22, 1);
    const some = (await world.archive("list")).stdout;
    expect(some).toMatch(/^the last 20 of 2\d; --all shows all of them$/m);
    expect(some).not.toMatch(/^1 to 1 /m);
    const all = (await world.archive("list --all")).stdout;
    expect(all).toMatch(/^1 to 1 /m);
    expect(all).not.toContain("--all");
    const [line] = (await world.archive("list --json")).lines();
    expect(line).toMatchObject({ kind: "archive", data: { stream: "ORDERS", stores: [world.url] } });
    expect((line?.data as unknown as { segments: unknown[] }).segments.length).toBe(20);
  });
});

describe("archive show", () => {
  it("tells the segment of a message: its files, and its messages by kind", async () => {
    const [first] = await storeAndArchive();
    const { stdout, exitCode } = await world.archive("show 3", { columns: 500 });
    expect(stdout).toMatch(/^messages 1 to 10: 10 events of 2 keys, stored /);
    expect(stdout).toMatch(/^message 3 is ORDERS\.reservations\.a$/m);
    expect(stdout).toMatch(/^ {2}created +2$/m);
    for (const { name, sha256 } of Object.values(first?.files ?? {}))
      expect(stdout).toMatch(new RegExp(`^${name} +whole .*${sha256}$`, "m"));
    expect(exitCode).toBe(0);
  });

  it("tells which file is not there, or is damaged", async () => {
    const [first] = await storeAndArchive();
    rmSync(join(world.folder, first?.files.keys.name ?? ""));
    put(first?.files.data.name ?? "");
    const { stdout, exitCode } = await world.archive("show 1", { columns: 500 });
    expect(stdout).toMatch(/\.keys +missing /);
    expect(stdout).toMatch(/\.parquet +damaged /);
    expect(exitCode).toBe(1);
  });

  it("knows no message that is not archived", async () => {
    await storeAndArchive();
    const ran = await world.archive("show 21");
    expect(ran).toMatchObject({ exitCode: 4, stdout: "" });
    expect(ran.stderr).toMatch(/^error: message 21 is not archived\n {2}the archive holds 1 to 20/);
    expect((await world.archive("show twenty")).exitCode).toBe(2);
  });

  it("says that the store cannot be reached, and names it", async () => {
    await storeAndArchive();
    rmSync(world.folder, { recursive: true });
    const ran = await world.archive("show 1");
    mkdirSync(world.folder);
    expect(ran.exitCode).toBe(3);
    expect(ran.stderr).toContain(`cannot list ${world.url}: no such file`);
  });
});

describe("archive verify", () => {
  it("passes where every file is as it was written", async () => {
    await storeAndArchive();
    const ran = await world.archive("verify", { columns: 500 });
    expect(ran.stdout).toMatch(
      /^PASS {2}2 segments, up to message 20: all files are what the manifest names\n {6}20 events read, /,
    );
    expect(ran.exitCode).toBe(0);
  });

  it("fails with the segment and the file where one is damaged, and removes nothing then", async () => {
    const [, second] = await storeAndArchive();
    const name = second?.files.data.name ?? "";
    put(name);
    put(name.replace(/[0-9a-f]{8}\.parquet/, "00000000.parquet"));
    const ran = await world.archive("verify --remove-leftovers", { columns: 500 });
    const [line] = ran.stdout.split("\n");
    expect(line).toContain("FAIL  segment 11 to 20: ");
    expect(line).toContain(name);
    expect(ran.exitCode).toBe(1);
    expect(filesIn().some((file) => file.endsWith("-00000000.parquet"))).toBe(true);
    expect(ran.stdout).toContain("none is removed before the archive is whole");
  });

  it("fails where the manifest's chain is broken", async () => {
    await storeAndArchive();
    const { nats } = world.connection;
    await nats.jetstream().publish("$KV.ORDERS_ARCHIVE.segment-00000003", "{}");
    const ran = await world.archive("verify");
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toMatch(/^FAIL {2}the archive's manifest ORDERS_ARCHIVE is damaged: /);
  });

  it("tells the files that no entry names, and removes those whose range is archived", async () => {
    const [first] = await storeAndArchive();
    const base = (first?.files.data.name ?? "").replace(/[0-9a-f]{8}\.parquet/, "");
    const later = base.replace("000000000001-000000000010", "000000000021-000000000030");
    put(`${base}00000000.parquet`);
    put(`${base}00000000.keys`);
    put(`${later}00000000.parquet`);
    put("orders/readme.txt");
    put("other/file.txt");
    const told = await world.archive("verify", { columns: 500 });
    expect(told.exitCode).toBe(0);
    expect(told.stdout).toContain("4 files that no entry names; --remove-leftovers removes 2 of them");
    const before = filesIn().length;
    const ran = await world.archive("verify --remove-leftovers", { columns: 500 });
    expect(ran.stdout).toContain("2 leftover files removed");
    expect(filesIn().length).toBe(before - 2);
    const left = filesIn();
    expect(left).toContain("readme.txt");
    expect(left).toContain("file.txt");
    expect((await world.archive("verify")).stdout).toContain(
      "2 files that no entry names; none may be removed",
    );
  });

  it("keeps the files of a log before this one: nothing else can restore that", async () => {
    await storeAndArchive();
    const before = filesIn().length;
    await world.connection.jsm.streams.delete("ORDERS");
    await world.connection.jsm.streams.delete("KV_ORDERS_ARCHIVE");
    world.log.close();
    const again = await openLogWriter(world.connection);
    await world.removeConsumers();
    await again.store(...["v", "w", "x", "y", "z"].flatMap(ways.SHIPPED));
    again.close();
    await world.archiveTo(20, 20);
    const ran = await world.archive("verify --remove-leftovers");
    expect(ran.exitCode).toBe(0);
    expect(ran.stdout).toContain("8 files that no entry names; none may be removed");
    expect(filesIn().length).toBe(before + 4);
  });
});

describe("archive prune", () => {
  afterEach(async () => expect((await world.archive("verify")).exitCode).toBe(0));

  it("asks for --yes, and tells with --dry-run what would end", async () => {
    await storeAndArchive();
    const before = filesIn();
    const asked = await world.archive("prune --older-than 0s");
    expect(asked).toMatchObject({ exitCode: 2, stdout: "" });
    expect(asked.stderr).toContain(
      "this removes 2 segments with messages of 4 orders for good\n  --yes does it",
    );
    const { stdout } = await world.archive("prune --older-than 0s --dry-run", { columns: 500 });
    expect(stdout).toMatch(/^2 segments would be pruned, 20 messages, .*: up to message 20, stored /);
    expect(stdout).toContain("What would end, for 4 orders with messages up to 20: traces, ");
    expect(stdout).toContain("a second payment of any of them is refused");
    expect(filesIn()).toEqual(before);
  });

  it("removes the messages of old segments alone, and keeps what else is known of them", async () => {
    const segments = await storeAndArchive();
    const [first, second] = segments;
    const between = isoTime(second?.storedToUs ?? 0);
    const ran = await world.archive(`prune --older-than ${between} --yes`, { columns: 500 });
    expect(ran.stdout).toMatch(/^1 segment pruned, 10 messages, .*: up to message 10, stored /);
    const names = [first, second].flatMap((each) => Object.values(each?.files ?? {}).map(({ name }) => name));
    const left = filesIn();
    const gone = names.filter((name) => !left.includes(name.split("/").at(-1) ?? ""));
    expect(gone).toEqual([first?.files.data.name]);
    expect((await world.segments()).map(({ prunedAtMs }) => prunedAtMs !== undefined)).toEqual([true, false]);
    expect((await world.archive("list")).stdout).toMatch(/^1 to 10 .*Z$/m);
    expect((await world.archive("show 1", { columns: 500 })).stdout).toMatch(/\.parquet +pruned /);
  });

  it("removes what an interrupted prune has left, and nothing where nothing is old", async () => {
    const segments = await storeAndArchive();
    expect((await world.archive("prune --older-than 1h --yes")).stdout).toMatch(
      /^no segment holds only messages/,
    );
    const before = filesIn().length;
    const { manifest } = new SegmentedLog(world.connection, orderFlow, {});
    await manifest.markPruned(segments[0] as Segment);
    expect((await world.archive("verify")).stdout).toContain("1 file that no entry names");
    await world.archive("prune --older-than 0s --yes");
    expect(filesIn().length).toBe(before - 2);
  });
});
