import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { event } from "../orders/order-log.ts";
import { runCommand } from "../support/run-command.ts";
import { until } from "../support/until.ts";
import { ReplayWorld } from "./replay-world.ts";

const world = new ReplayWorld();
const ids = Array.from({ length: 100 }, (_, index) => `o-${index}`);

const copies = ids.map((id) => `REPLAY.created.${id}`);
const countCopies = async () =>
  (await world.connection.jsm.streams.info("REPLAY").catch(() => undefined))?.state.messages ?? 0;

/** Slow enough to be stopped in between: a hundred messages take about as many times `gapMs`. */
async function slowly(gapMs: number): Promise<string> {
  await world.log.store(...ids.map((id) => event("created", id)));
  const stored = (await world.read("ORDERS")).map(({ storedAtUs }) => storedAtUs);
  const spanMs = ((stored.at(-1) ?? 0) - (stored[0] ?? 0)) / 1000;
  return `--speed ${(spanMs / (ids.length * gapMs)).toFixed(9)}x`;
}

describe("a replay that ends early", () => {
  it("finishes what is under way, exits 130 and tells the command that goes on; then nothing is missing or doubled", async () => {
    const speed = await slowly(100);
    const stop = new AbortController();
    const replaying = world.replay(`--to REPLAY --create ${speed} --window 4`, { signal: stop.signal });
    await until(async () => (await countCopies()) >= 10);
    stop.abort();
    const ran = await replaying;
    expect(ran.exitCode).toBe(130);
    const done = await countCopies();
    expect(done).toBeLessThan(100);
    expect(ran.stdout).toMatch(new RegExp(`^ended early: ${done} messages of ORDERS stored under REPLAY`));
    const command = /^go on with: orderctl (.*)$/m.exec(ran.stdout)?.[1] ?? "";
    expect(command).toContain(`replay ORDERS --from-seq ${done + 1} --to-seq 100 --speed `);
    expect(command).toContain("--window 4 --to REPLAY --server ");
    // What is stored meanwhile is not part of it.
    await world.log.store(event("created", "later"));
    const again = await world.run(command.replace(/ --speed \S+| --server \S+/g, ""));
    expect(again.stdout).toMatch(new RegExp(`^${100 - done} messages of ORDERS stored under REPLAY`));
    expect(await world.subjects("REPLAY")).toEqual(copies);
  });

  it("adds to the file that has the beginning", async () => {
    const speed = await slowly(100);
    const stop = new AbortController();
    const file = `${world.dir}/it's here`;
    const words = ["replay", "--out", file, ...speed.split(" "), "--server", world.broker.url];
    const replaying = runCommand(words, { signal: stop.signal });
    const lines = () => (existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0);
    await until(() => lines() >= 5);
    stop.abort();
    const ran = await replaying;
    expect([ran.exitCode, lines() < 100]).toEqual([130, true]);
    expect(ran.stdout).toContain(`--out '${world.dir}/it'\\''s here' --server ${world.broker.url} --append`);
    const rest = await runCommand([
      ...["replay", "--from-seq", String(lines() + 1), "--append", "--out", file],
      ...["--server", world.broker.url],
    ]);
    expect(rest.exitCode).toBe(0);
    const written = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(written.map((line) => JSON.parse(line).order_id)).toEqual(ids);
  });

  it("goes on by itself when the broker dies and comes back, without a gap or a double", async () => {
    const speed = await slowly(30);
    const replaying = world.replay(`--to REPLAY --create ${speed} --reconnect-wait 50ms`);
    await until(async () => (await countCopies()) >= 10);
    await world.broker.kill();
    await world.broker.restart();
    const ran = await replaying;
    expect(ran.exitCode).toBe(0);
    expect(ran.stdout).toMatch(/^\d+ messages of ORDERS stored under REPLAY/);
    // What was sent again may be stored after its successors.
    expect((await world.subjects("REPLAY")).sort()).toEqual(copies.toSorted());
  });

  it("leaves secrets out of the command that goes on", async () => {
    const speed = await slowly(1000);
    const stop = new AbortController();
    const server = world.broker.url.replace("://", "://ann:secret@");
    const words = ["replay", "--to", "REPLAY", "--create", ...speed.split(" "), "--token", "t0ken"];
    const replaying = runCommand([...words, "--server", server], { signal: stop.signal });
    await until(async () => (await countCopies()) >= 1);
    stop.abort();
    const { stdout, stderr } = await replaying;
    expect(stdout).toContain("go on with: orderctl replay ORDERS");
    expect(stdout).toContain(`--server ${world.broker.url}`);
    expect(stdout + stderr).not.toMatch(/secret|t0ken/);
  });

  it("keeps the time between the messages", async () => {
    const speed = await slowly(20);
    const summary = await world.summaryOf(`--to REPLAY --create ${speed}`);
    expect(summary.seconds).toBeGreaterThan(1.9);
    expect(summary.speed).toBeGreaterThan(0);
  });
});
