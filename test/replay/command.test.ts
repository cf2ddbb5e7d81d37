import { beforeEach, describe, expect, it } from "vitest";
import { isoTime } from "../../src/core/units.ts";
import { ways } from "../orders/order-log.ts";
import { until } from "../support/until.ts";
import { ReplayWorld } from "./replay-world.ts";

const world = new ReplayWorld();

/** Eleven events of three orders, and then a message that is none. */
beforeEach(async () => {
  await world.log.store(...ways.SHIPPED("a"), ...ways.DECLINED("b"), ...ways.DECLINED("c"));
  await world.log.storeBytes("ORDERS.created.broken", "\u00ff\u00ff");
});

describe("what is replayed", () => {
  it.each([
    ["", 12],
    ["--subject ORDERS.created.*", 4],
    ["--subject *.created.>", 4],
    ["--subject ORDERS.*.a --order a", 5],
    ["--order b", 3],
    ["--order nobody", 0],
    ["--from-seq 3 --to-seq 5", 3],
    ["--from-seq 0 --to-seq 1", 1],
    ["--from-seq 13", 0],
    ["--since 1h", 12],
    ["--since 30000d", 12],
    ["--until 1h", 0],
    ["--since 1h --from-seq 11", 2],
  ])("with %j is %i messages", async (words, messages) => {
    const summary = await world.summaryOf(`--dry-run ${words}`);
    expect(summary.messages).toBe(messages);
    expect(summary).toMatchObject({ dryRun: true, result: { target: "none" }, resumeCommand: null });
  });

  it("is chosen by time to the microsecond, both ends included", async () => {
    const times = (await world.read("ORDERS")).map(({ storedAtUs }) => isoTime(storedAtUs));
    const summary = await world.summaryOf(`--dry-run --since ${times[3]} --until ${times[6]}`);
    expect(summary).toMatchObject({ firstSequence: 4, lastSequence: 7, firstStoredAt: times[3] });
  });

  it("does not change while it is told about", async () => {
    const ran = await world.replay("--dry-run");
    expect(ran.stdout.split("\n")[0]).toBe("12 messages of ORDERS would be replayed; nothing was sent");
    expect(ran.stdout).toMatch(/^ {2}ORDERS\.payments\.\* +3$/m);
    const before = await world.streams();
    expect(await world.replay("--dry-run --to NEW --create")).toMatchObject({ exitCode: 0 });
    expect(await world.streams()).toEqual(before);
    const consumers = async () => (await world.connection.jsm.streams.info("ORDERS")).state.consumer_count;
    await until(async () => (await consumers()) === 7);
  });

  // commander takes a parsed null for no value: the first message came, and then none for ever.
  it("goes as fast as it can with --speed max, as without it", async () => {
    const [given, silent] = [await world.replay("--out - --speed max"), await world.replay("--out -")];
    expect([given.exitCode, given.stdout]).toEqual([0, silent.stdout]);
  });

  it.each([
    ["NOPE --dry-run", 4, "there is no stream NOPE"],
    ["--to A --out b", 2, "exclude each other"],
    ["", 2, "where to?"],
    ["--subject FOO.* --dry-run", 2, "its subjects are ORDERS.>"],
    ["--subject a..b --dry-run", 2, "not a subject or filter"],
    ["--order a.b --dry-run", 2, "not an order id"],
    ["--since 1h --until 2h --dry-run", 2, "--since is later"],
    ["--since yesterday --dry-run", 2, "expected a time"],
    ["--speed 0x --dry-run", 2, "expected a factor"],
    ["--to a.* --create", 2, "cannot begin a subject"],
    ["--to $JS.API --create", 2, "cannot begin a subject"],
    ["--dry-run --append", 2, "--append is for --out"],
    ["a.b --dry-run", 2, "not the name of a stream"],
  ])("is refused for %j", async (words, exitCode, text) => {
    const ran = await world.replay(words);
    expect([ran.exitCode, ran.stdout]).toEqual([exitCode, ""]);
    expect(ran.stderr).toContain(text);
  });
});
