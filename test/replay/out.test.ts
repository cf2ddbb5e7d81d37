import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { decodeEvent } from "../../src/orders/wire/codec.ts";
import type { ReplaySummary } from "../../src/replay/replay-report.ts";
import { ways } from "../orders/order-log.ts";
import { until } from "../support/until.ts";
import { ReplayWorld } from "./replay-world.ts";

const world = new ReplayWorld();

/** Eleven events of three orders, and then a message that is none. */
beforeEach(async () => {
  await world.log.store(...ways.SHIPPED("a"), ...ways.DECLINED("b"), ...ways.DECLINED("c"));
  await world.log.storeBytes("ORDERS.created.broken", "\u00ff\u00ff");
});

const readCreated = async (fromSequence: number) =>
  (await world.read("ORDERS"))
    .filter(({ sequence }) => sequence >= fromSequence)
    .map(({ subject, payload }) => decodeEvent(subject, payload));

describe("replay --out", () => {
  it("writes orders that `publish order --file` makes the same orders of", async () => {
    const file = join(world.dir, "orders.ndjson");
    await world.run("publish order --count 50 --seed 4");
    const before = await readCreated(13);
    expect(before).toHaveLength(50);
    const ran = await world.replay(`--subject ORDERS.created.* --from-seq 13 --out ${file}`);
    expect(ran.stdout.split("\n")[0]).toMatch(/^50 messages of ORDERS written to .*orders\.ndjson in /);
    await world.connection.jsm.streams.delete("ORDERS");
    const published = await world.run(`publish order --file ${file}`);
    expect(published.exitCode).toBe(0);
    expect(await readCreated(1)).toEqual(before);
  });

  it("writes to standard output, one event a line, and tells the rest on standard error", async () => {
    const ran = await world.replay("--out - --order a");
    const lines = ran.lines() as unknown as Record<string, unknown>[];
    expect(lines.map(({ kind, order_id }) => [kind, order_id])).toEqual([
      [undefined, "a"],
      ["payments", "a"],
      ["reservations", "a"],
      ["shipments", "a"],
      ["notifications", "a"],
    ]);
    expect(ran.stderr).toMatch(/^5 messages of ORDERS written to standard output/);
  });

  it("is not stopped by what is no event", async () => {
    const summary = await world.summaryOf(`--out ${join(world.dir, "all")}`);
    expect(summary.result).toMatchObject({ lines: 12, undecodable: 1 });
    const lines = readFileSync(join(world.dir, "all"), "utf8").trimEnd().split("\n");
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ subject: "ORDERS.created.broken", kind: null });
  });

  it("replaces a file, or adds to it with --append", async () => {
    const file = join(world.dir, "orders.ndjson");
    await world.replay(`--out ${file} --to-seq 5`);
    await world.replay(`--out ${file} --to-seq 2`);
    await world.replay(`--out ${file} --from-seq 3 --to-seq 4 --append`);
    expect(readFileSync(file, "utf8").match(/\n/g)).toHaveLength(4);
  });

  it.each(["", "--order nobody"])("exits 8 where the file cannot be written %s", async (words) => {
    const ran = await world.replay(`--out ${join(world.dir, "missing", "file")} ${words}`.trimEnd());
    expect(ran.exitCode).toBe(8);
    expect(ran.stderr).toContain("cannot write");
  });

  it("tells where a file to add to ended in half a line, and adds behind its last whole one", async () => {
    const file = join(world.dir, "orders.ndjson");
    await world.replay(`--out ${file}`);
    const whole = readFileSync(file, "utf8");
    truncateSync(file, whole.length - 20);
    const ran = await world.replay(`--out ${file} --from-seq 12 --append`);
    expect(ran).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("ended in half a line") });
    expect(readFileSync(file, "utf8")).toBe(whole);
  });

  it("has each message once, also where only the last line break was missing", async () => {
    const file = join(world.dir, "orders.ndjson");
    await world.replay(`--out ${file}`);
    const whole = readFileSync(file, "utf8");
    const half = whole.split("\n").slice(0, 6).join("\n");
    for (const next of [6, 7]) {
      writeFileSync(file, half);
      await world.replay(`--out ${file} --from-seq ${next} --append`);
      expect(readFileSync(file, "utf8")).toBe(whole);
    }
  });

  it("adds nothing to a file that is none of its own", async () => {
    const file = join(world.dir, "notes.txt");
    writeFileSync(file, "buy milk");
    const ran = await world.replay(`--out ${file} --append`);
    expect(ran).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--out names another file") });
    expect(readFileSync(file, "utf8")).toBe("buy milk");
  });
});

describe("a replay whose messages are deleted before they are read", () => {
  // It used to write 3 % of them, say nothing and exit 0.
  it("says how many are gone, and exits 1", async () => {
    await world.run("publish order --count 30000");
    const file = join(world.dir, "all");
    const replaying = world.replay(`--out ${file} --json`);
    await until(() => existsSync(file) && statSync(file).size > 0);
    await world.connection.jsm.streams.purge("ORDERS");
    const ran = await replaying;
    const summary = ran.lines()[0]?.data as unknown as ReplaySummary;
    expect(ran.exitCode).toBe(1);
    expect(summary.gone).toBe(30_012 - summary.messages);
    expect(summary).toMatchObject({ resumeCommand: null, result: { lines: summary.messages } });
  });

  it("counts nothing as gone that went after it was read, or before it began", async () => {
    await world.connection.jsm.streams.deleteMessage("ORDERS", 3, false);
    expect(await world.summaryOf("--dry-run")).toMatchObject({ messages: 11, gone: 0 });
    expect(await world.summaryOf("--dry-run --subject ORDERS.*.a")).toMatchObject({ messages: 4, gone: 0 });
    expect(await world.summaryOf("--dry-run --from-seq 2 --to-seq 5")).toMatchObject({
      messages: 3,
      gone: 0,
    });
  });
});
