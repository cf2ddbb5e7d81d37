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
/** For this long, a lock file without an owner counts as one that another version of orderctl is just writing. */
const writingMs = 2000;

type Waiting = {
  waitMs?: number;
  /** Makes the error for a lock that another process keeps; `pid` is the id of that process, when it is known. */
  refuse: (pid: number | undefined) => OrderctlError;
};

/**
 * Takes the lock file `path` for this process; resolves to a function that releases it. It takes over the lock of a
 * process that has ended, but not that of a process in another container or on another machine, of which it cannot
 * tell.
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
 * To replace a lock that a dead process left behind, a process first takes a second lock named after the id of the
 * first. While it holds the second lock, no other process can replace the first one, so it can check safely that the
 * first lock is still the same.
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

/** The error codes of file systems without hard links. */
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

/**
 * The lock file appears with its owner in it: if it were created empty and its process halted, others would take the
 * lock for abandoned.
 */
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
