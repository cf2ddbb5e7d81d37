import { createHash } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { OrderctlError } from "../core/errors.ts";
import { takeLock } from "../core/lock-file.ts";
import { checkFolder, openPrivateFolder, writePrivateFile } from "../core/private-files.ts";
import {
  identify,
  isAlive,
  isRunning,
  type ProcessIdentity,
  processIdentity,
} from "../core/process-identity.ts";
import { brokerSources } from "./broker-binary.ts";
import { isBrokerAnswering, type ServerGreeting } from "./probe.ts";
import { findKey } from "./store-key.ts";

const ownerSchema = z.object({
  process: processIdentity,
  /** Absent until it listens. */
  port: z.int().positive().optional(),
  /** The id that the server gave itself at this start; no other process has it. */
  serverId: z.string().optional(),
  version: z.string(),
  binary: z.string().optional(),
  source: z.enum(brokerSources).optional(),
  /** ISO time. */
  startedAt: z.string().optional(),
  /** The process that ends it with itself; absent where `orderctl broker stop` does. */
  keeper: processIdentity.optional(),
});

/** The nats-server to which the folder with the streams belongs, as it is remembered there. */
export type StoreOwner = z.infer<typeof ownerSchema>;

/** `isKept`: the process that ends it is still there. `isHere`: its process id means something to this process. */
export type FoundOwner = StoreOwner & {
  storeDir: string;
  url: string | undefined;
  /** What one logs in with; absent where everybody is taken. */
  nkey: string | undefined;
  isAnswering: boolean;
  isKept: boolean;
  isHere: boolean;
};

const lockWaitMs = 20_000;
/** A busy machine answers late; one that hangs is not to be taken for one that has ended. */
const patienceMs = 2000;

const ownerPath = (storeDir: string): string => join(storeDir, "orderctl-broker.json");
/** What the server on this store was started with. */
export const configPath = (storeDir: string): string => join(storeDir, "nats-server.conf");

const lockPath = (storeDir: string): string => join(storeDir, "orderctl-broker.lock");

/** What a server on this store calls itself. */
export const serverNameOf = (storeDir: string): string =>
  `orderctl-${createHash("sha256").update(storeDir).digest("hex").slice(0, 8)}`;

/** Runs `work` while no other process starts or stops a server on this store. */
export async function withStoreLock<T>(storeDir: string, work: () => Promise<T>): Promise<T> {
  await openPrivateFolder(storeDir);
  const path = lockPath(storeDir);
  const refuse = (pid: number | undefined) =>
    new OrderctlError("timeout", `process ${pid ?? "?"} is starting or stopping the broker of ${storeDir}`, {
      hint: `if there is no such process any more, delete ${path}`,
    });
  const unlock = await takeLock(path, { waitMs: lockWaitMs, refuse });
  try {
    return await work();
  } finally {
    await unlock();
  }
}

export async function writeOwner(storeDir: string, owner: StoreOwner): Promise<void> {
  await writePrivateFile(ownerPath(storeDir), `${JSON.stringify(ownerSchema.parse(owner), null, 2)}\n`);
}

/** Forgets a server that has ended, unless another one has the store by now. For whoever holds the lock. */
export async function forgetOwner(storeDir: string, server: ProcessIdentity): Promise<void> {
  if (await isOwner(storeDir, server)) await rm(ownerPath(storeDir), { force: true });
}

/** The same for all others. A folder that was deleted meanwhile stays so. */
export async function releaseStore(storeDir: string, server: ProcessIdentity): Promise<void> {
  if (await isOwner(storeDir, server)) await withStoreLock(storeDir, () => forgetOwner(storeDir, server));
}

async function isOwner(storeDir: string, { pid, started }: ProcessIdentity): Promise<boolean> {
  const owner = await readOwner(storeDir);
  return owner?.process.pid === pid && owner.process.started === started;
}

/**
 * The server that runs on this store, whether it answers or hangs; undefined where none does. What is written there counts
 * only as far as that process is still there. Throws `conflict` where that cannot be told, and `usage` where others may write
 * into the folder.
 */
export async function findStoreOwner(storeDir: string): Promise<FoundOwner | undefined> {
  // Whoever may write there could name a server of his own.
  checkFolder(storeDir);
  const owner = await readOwner(storeDir);
  const isHere = owner && isRunning(owner.process);
  if (owner && isHere !== false) {
    const greeting = owner.port ? await isBrokerAnswering(urlOf(owner.port), patienceMs) : undefined;
    const isAnswering = greeting !== undefined && greeting.serverId === owner.serverId;
    if (isAnswering || isHere)
      return found(storeDir, owner, { greeting, isAnswering, isHere: isHere === true });
    throw unknowable(storeDir, owner);
  }
  return findByPortsFile(storeDir);
}

/** The same, once a start or a stop that is under way has come to its end. */
export async function awaitStoreOwner(storeDir: string): Promise<FoundOwner | undefined> {
  const owner = await findStoreOwner(storeDir);
  return owner && !owner.isAnswering ? withStoreLock(storeDir, () => findStoreOwner(storeDir)) : owner;
}

/**
 * The server itself writes where it listens, and removes that at its end: so that one is known of which nothing (that can
 * be read) was remembered.
 */
async function findByPortsFile(storeDir: string): Promise<FoundOwner | undefined> {
  for (const { pid, port } of await readPortsFiles(storeDir)) {
    const greeting = port ? await isBrokerAnswering(urlOf(port)) : undefined;
    const isAnswering = greeting?.name === serverNameOf(storeDir);
    const isHere = isServerOf(storeDir, pid);
    if (!isAnswering && !isHere) continue;
    return found(storeDir, unremembered({ pid, port }, greeting), { greeting, isAnswering, isHere });
  }
  return undefined;
}

const unremembered = (
  { pid, port }: Pick<PortsFile, "pid" | "port">,
  greeting: ServerGreeting | undefined,
): StoreOwner => ({
  process: identify(pid) ?? { pid, started: null, host: "", boot: null, namespace: null },
  ...(port === undefined ? {} : { port }),
  ...(greeting === undefined ? {} : { serverId: greeting.serverId }),
  version: greeting?.version ?? "unknown",
});

type Asked = { greeting: ServerGreeting | undefined; isAnswering: boolean; isHere: boolean };

function found(storeDir: string, owner: StoreOwner, { greeting, isAnswering, isHere }: Asked): FoundOwner {
  const isKept = owner.keeper !== undefined && isRunning(owner.keeper) !== false;
  // One that does not answer may do so later.
  const isOpen = isAnswering && greeting?.needsCredentials === false;
  const nkey = isOpen ? undefined : findKey(storeDir);
  const url = owner.port ? urlOf(owner.port) : undefined;
  return { ...owner, storeDir, url, nkey, isAnswering, isKept, isHere };
}

const urlOf = (port: number): string => `nats://127.0.0.1:${port}`;

async function readOwner(storeDir: string): Promise<StoreOwner | undefined> {
  try {
    return ownerSchema.parse(JSON.parse(await readFile(ownerPath(storeDir), "utf8")));
  } catch {
    // Absent, or of no use.
    return undefined;
  }
}

type PortsFile = { name: string; pid: number; port: number | undefined };

export async function readPortsFiles(storeDir: string): Promise<PortsFile[]> {
  const names = await readdir(storeDir).catch(() => []);
  const files = names.filter((name) => /_\d+\.ports$/.test(name));
  return Promise.all(
    files.map(async (name) => {
      const text = await readFile(join(storeDir, name), "utf8").catch(() => "");
      const port = /"nats":\s*\[\s*"[a-z]+:\/\/[^"]*:(\d+)"/.exec(text)?.[1];
      return { name, pid: Number(/_(\d+)\.ports$/.exec(name)?.[1]), port: port ? Number(port) : undefined };
    }),
  );
}

/** By its command line: a process that was given the id later has another. */
function isServerOf(storeDir: string, pid: number): boolean {
  // Where there is none to read, it is better to take it for one than to start a second server beside it.
  if (process.platform !== "linux") return isAlive(pid);
  const config = realPath(configPath(storeDir));
  const words = readText(`/proc/${pid}/cmdline`)?.split("\0") ?? [];
  return isAlive(pid) && words.some((word) => word.endsWith(".conf") && realPath(word) === config);
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

const unknowable = (storeDir: string, { process: { pid, host } }: StoreOwner): OrderctlError =>
  new OrderctlError(
    "conflict",
    `${storeDir} may be in use by a nats-server that was started elsewhere (process ${pid} of ${host})`,
    { hint: `stop it there; if it is gone for certain, delete ${ownerPath(storeDir)}` },
  );

/** Why nobody else may start a server there. */
export function storeInUse(owner: FoundOwner): OrderctlError {
  const { url, process, isAnswering, storeDir } = owner;
  if (!isAnswering) {
    return new OrderctlError(
      "conflict",
      `nats-server (process ${process.pid}) has ${storeDir} and does not answer`,
      { hint: `give it time, or end it: \`orderctl broker stop\`; see ${join(storeDir, "nats-server.log")}` },
    );
  }
  return new OrderctlError("conflict", `a broker runs on ${storeDir} already, at ${url}`, {
    hint: `use it with --server ${url}, or ${stopHint(owner)} first`,
  });
}

/** How to end it. */
export const stopHint = ({ isKept, keeper }: FoundOwner): string =>
  isKept ? `stop the \`orderctl up\` that it belongs to (process ${keeper?.pid})` : "`orderctl broker stop`";
