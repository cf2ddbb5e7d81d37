import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import { OrderctlError } from "../../src/core/errors.ts";
import { takeLock } from "../../src/core/lock-file.ts";
import { identify, isAlive, isRunning, type ProcessIdentity } from "../../src/core/process-identity.ts";
import { until } from "../support/until.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "orderctl-lock-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  path = join(folder, "lock");
});

const refuse = (pid: number | undefined) => new OrderctlError("conflict", `process ${pid} has it`);
const take = (waitMs = 0) => takeLock(path, { waitMs, refuse });
const write = (owner: object) => writeFile(path, JSON.stringify({ ...owner, id: "before" }));

function running(): ProcessIdentity & { end(): Promise<void> } {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  const identity = identify(Number(child.pid));
  if (!identity) throw new Error("did not start");
  const end = async () => {
    child.kill("SIGKILL");
    await until(() => !isAlive(identity.pid));
  };
  return { ...identity, end };
}

it("is held by one at a time, also where all find the lock of a process that has ended", async () => {
  const { end, ...owner } = running();
  await end();
  await write(owner);
  let holders = 0;
  let most = 0;
  const work = async () => {
    const release = await take(30_000);
    holders += 1;
    most = Math.max(most, holders);
    await new Promise((resolve) => setImmediate(resolve));
    holders -= 1;
    await release();
  };
  await Promise.all(Array.from({ length: 20 }, work));
  expect(most).toBe(1);
  expect(await readdir(folder)).toEqual([]);
}, 30_000);

const textOf = (file: string): string => {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "absent";
  }
};

// Whoever was halted between making it and writing into it used to be taken for gone, after 2 s.
it("is never there without its owner in it", async () => {
  let isDone = false;
  const seen = new Set<string>();
  const look = async () => {
    while (!isDone) {
      seen.add(textOf(path));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const looking = look();
  for (let n = 0; n < 300; n += 1) await (await take())();
  isDone = true;
  await looking;
  expect(seen).not.toContain("");
});

it("is refused while its process runs, and taken over once that has ended", async () => {
  const { end, ...owner } = running();
  await write(owner);
  await expect(take()).rejects.toThrow(`process ${owner.pid} has it`);
  await end();
  await (await take())();
});

it("is taken over from one whose process id another process has by now", async () => {
  const { end, ...owner } = running();
  await write({ ...owner, started: "1" });
  await (await take())();
});

it("is taken over where the machine was started again since", async () => {
  const { end, ...owner } = running();
  await write({ ...owner, boot: "another" });
  await (await take())();
});

it("is refused where nobody can tell: its process ran in another container, or on another machine", async () => {
  const { end, ...owner } = running();
  for (const other of [{ namespace: "pid:[1]" }, { host: "another", boot: "another" }]) {
    expect(isRunning({ ...owner, ...other })).toBeUndefined();
    await write({ ...owner, ...other });
    await expect(take()).rejects.toThrow("has it");
  }
});

it("is taken over where a crash has left half of it, after it had time to be written", async () => {
  await writeFile(path, '{"pid":');
  await expect(take()).rejects.toThrow("process undefined has it");
  const before = new Date(Date.now() - 10_000);
  await utimes(path, before, before);
  await (await take())();
});
