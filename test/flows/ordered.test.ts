import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { partitionOf } from "../../src/flow/partition.ts";
import { type Launched, launch } from "../support/supervised.ts";
import { until } from "../support/until.ts";
import { createFlowWorld, type FlowWorld } from "./flow-world.ts";

const module = "fixtures/flows/ordered/steps.ts";
const kinds = ["first", "second", "third"];
const keys = Array.from({ length: 40 }, (_, index) => `k-${index}`);
const kills = 10;
/** Of 240 that are written at least, two for each event. */
const linesPerKill = 16;

let world: FlowWorld;
let folder: string;
let written: string;

beforeAll(async () => {
  world = await createFlowWorld(module);
  folder = await mkdtemp(join(tmpdir(), "orderctl-steps-"));
  written = join(folder, "steps.log");
});

afterAll(async () => {
  await world.close();
  await rm(folder, { recursive: true, force: true });
});

type Line = { what: string; key: string; kind: string; pid: number };

const readLines = async (): Promise<Line[]> => {
  const text = await readFile(written, "utf8").catch(() => "");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [what = "", key = "", kind = "", pid] = line.split(" ");
      return { what, key, kind, pid: Number(pid) };
    });
};

const serve = (): Launched =>
  launch(`serve watch --flow ${module} --server ${world.broker.url}`, { STEPS_LOG: written });

const isDone = async (): Promise<boolean> => {
  const ended = (await readLines()).filter(({ what }) => what === "end");
  return new Set(ended.map(({ key, kind }) => `${key} ${kind}`)).size === keys.length * kinds.length;
};

/** Kills one of three processes after the other while there is work, each being replaced. */
async function killOneAfterTheOther(): Promise<Set<number>> {
  const processes = [serve(), serve(), serve()];
  const killed = new Set<number>();
  await until(async () => (await readLines()).length > 10, 30_000);
  for (let count = 0; count < kills && !(await isDone()); count += 1) {
    const at = count % processes.length;
    const victim = processes[at];
    const reached = (await readLines()).length + linesPerKill;
    await until(async () => (await readLines()).length >= reached || (await isDone()), 30_000);
    if (victim) killed.add(victim.pid);
    await victim?.stop("SIGKILL");
    processes[at] = serve();
  }
  await until(isDone, 60_000);
  await Promise.all(processes.map((each) => each.stop()));
  return killed;
}

/** What contradicts that the events of one key are worked on one at a time, in order. */
function faultsOf(lines: readonly Line[], killed: ReadonlySet<number>): string[] {
  const done = new Set<string>();
  let open: Line | undefined;
  return lines.flatMap((line) => {
    const { what, key, kind, pid } = line;
    if (what === "end") {
      done.add(kind);
      if (open?.pid === pid) open = undefined;
      return [];
    }
    const during = open !== undefined && !killed.has(open.pid) ? [open.kind] : [];
    const missing = kinds.slice(0, kinds.indexOf(kind)).filter((earlier) => !done.has(earlier));
    open = line;
    return [...during, ...missing].map((other) => `${key}: ${kind} begins before ${other} has ended`);
  });
}

describe("an ordered service of a flow with partitions", () => {
  it("works on one event of a key at a time, in order, in all processes, while those are killed", async () => {
    await world.run("topology apply");
    const { nats } = world.connection;
    for (const kind of kinds)
      for (const key of keys)
        await nats
          .jetstream()
          .publish(`STEPS.${kind}.${partitionOf(key, 4)}.${key}`, JSON.stringify({ id: key }));
    const killed = await killOneAfterTheOther();
    const lines = await readLines();
    const faults = keys.flatMap((key) =>
      faultsOf(
        lines.filter((line) => line.key === key),
        killed,
      ),
    );
    expect(faults).toEqual([]);
    expect(killed.size).toBeGreaterThan(3);
    expect(new Set(lines.map(({ pid }) => pid)).size).toBeGreaterThan(3);
    const { stdout } = await world.run("trace k-7 --json");
    expect(JSON.parse(stdout).data.hops.map(({ kind }: { kind: string }) => kind)).toEqual(kinds);
    expect((await world.run("lag")).stdout).toContain("steps_watch_3");
  });

  it("refuses a stream that was made with another number of partitions", async () => {
    const { config } = await world.connection.jsm.streams.info("STEPS");
    await world.connection.jsm.streams.update("STEPS", {
      ...config,
      subjects: ["STEPS.*.0.*", "STEPS.*.1.*"],
    });
    const { exitCode, stderr } = await world.run("serve watch");
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining("with another number of partitions")]);
    // Set back, the stream would not be found to hold what it holds.
    const fixed = await world.run("topology apply --fix");
    expect([fixed.exitCode, fixed.stdout]).toEqual([1, expect.stringContaining("not changed: stream STEPS")]);
    expect((await world.connection.jsm.streams.info("STEPS")).config.subjects).toHaveLength(2);
  });
});

it("divides keys as nats-server's subject mapping does", async () => {
  // FNV-1a of these texts, from the test vectors of its authors (test_fnv.c).
  expect(["a", "foobar"].map((text) => partitionOf(text, 2 ** 32))).toEqual([0xe40c292c, 0xbf9cf968]);
});
