import { randomUUID } from "node:crypto";
import { link, readFile, rm, stat, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { type OrderctlError, systemCode } from "./errors.ts";
import { writePrivateFile } from "./private-files.ts";
import { identify, isRunning, processIdentity } from "./process-identity.ts";

const lockSchema = processIdentity.extend({ id: z.string() });

type Lock = z.infer<typeof lockSchema>;

const pollMs = 50;
/** A lock without an owner is one that another version of this program is just writing, for so long. */
const writingMs = 2000;

type Waiting = {
  waitMs?: number;
  /** The error where another process keeps it; its id where it is known. */
  refuse: (pid: number | undefined) => OrderctlError;
};

/**
 * Takes the lock `path` for this process; resolves to what gives it back. The lock of a process that has ended is taken
 * over; one of which that cannot be told (another container, another machine) is not.
 */
export async function takeLock(path: string, { waitMs = 0, refuse }: Waiting): Promise<() => Promise<void>> {
  const own: Lock = { ...ownIdentity(), id: randomUUID() };
  const deadline = performance.now() + waitMs;
  while (!(await take(path, own))) {
    if (performance.now() > deadline) throw refuse((await readLock(path))?.pid);
    await delay(pollMs);
  }
  return () => rm(path, { force: true });
}

function ownIdentity() {
  const identity = identify(process.pid);
  if (identity === undefined) throw new Error("this process is not running");
  return identity;
}

/**
 * Whoever replaces a lock that is left over holds a lock on just that, named after it: while he does, nobody else can have
 * replaced it, so that what he finds there is still it.
 */
async function take(path: string, own: Lock): Promise<boolean> {
  if (await create(path, own)) return true;
  const found = await readLock(path);
  if (found === undefined) return create(path, own);
  if (found.isHeld) return false;
  const claim = `${path}.${found.id}`;
  if (!(await take(claim, own))) return false;
  try {
    const again = await readLock(path);
    if (again?.id !== found.id || again.isHeld) return false;
    await writePrivateFile(path, JSON.stringify(own));
    return true;
  } finally {
    await rm(claim, { force: true });
  }
}

/** What file systems without hard links say. */
const noLinks = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

async function writeNew(path: string, own: Lock): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(own), { flag: "wx", mode: 0o600 });
    return true;
  } catch (thrown) {
    if (systemCode(thrown) === "EEXIST") return false;
    throw thrown;
  }
}

/** It appears with its owner in it: one that is halted in between would be taken for gone. */
async function create(path: string, own: Lock): Promise<boolean> {
  const draft = `${path}.${own.id}`;
  await writeFile(draft, JSON.stringify(own), { flag: "wx", mode: 0o600 });
  try {
    await link(draft, path);
    return true;
  } catch (thrown) {
    const code = systemCode(thrown) ?? "";
    if (code === "EEXIST") return false;
    if (!noLinks.has(code)) throw thrown;
    return writeNew(path, own);
  } finally {
    await rm(draft, { force: true });
  }
}

type Found = { id: string; pid: number | undefined; isHeld: boolean };

async function readLock(path: string): Promise<Found | undefined> {
  try {
    const text = await readFile(path, "utf8");
    const lock = lockSchema.safeParse(parse(text)).data;
    if (lock) return { id: lock.id, pid: lock.pid, isHeld: isRunning(lock) !== false };
    const { mtimeMs } = await stat(path);
    return { id: "unreadable", pid: undefined, isHeld: Date.now() - mtimeMs < writingMs };
  } catch (thrown) {
    if (systemCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
