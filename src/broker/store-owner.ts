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
  /** Absent until the server listens. */
  port: z.int().positive().optional(),
  /** The id that the server generated at this start; no other server process has the same. */
  serverId: z.string().optional(),
  version: z.string(),
  binary: z.string().optional(),
  source: z.enum(brokerSources).optional(),
  /** ISO time. */
  startedAt: z.string().optional(),
  /** The process that ends the server when it ends itself; absent for a server that `orderctl broker stop` ends. */
  keeper: processIdentity.optional(),
});

/** The nats-server that uses a store folder, as recorded in the folder's `orderctl-broker.json` (the owner file). */
export type StoreOwner = z.infer<typeof ownerSchema>;

/**
 * `isKept`: the keeper may still run. `isHere`: the server runs where this process can see and signal it, not on
 * another machine or in another container.
 */
export type FoundOwner = StoreOwner & {
  storeDir: string;
  url: string | undefined;
  /** Path of the nkey file that clients log in with; undefined if the server needs no login. */
  nkey: string | undefined;
  isAnswering: boolean;
  isKept: boolean;
  isHere: boolean;
};

const lockWaitMs = 20_000;
/**
 * How long a recorded server may take to answer: on a busy machine it answers late and must not be taken for one that
 * hangs.
 */
const patienceMs = 2000;

const ownerPath = (storeDir: string): string => join(storeDir, "orderctl-broker.json");
/** The configuration file of the server on this store. */
export const configPath = (storeDir: string): string => join(storeDir, "nats-server.conf");

const lockPath = (storeDir: string): string => join(storeDir, "orderctl-broker.lock");

/** The `server_name` of a server on this store. */
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

/** Deletes the owner file if it still names `server`. The caller must hold the store lock. */
export async function forgetOwner(storeDir: string, server: ProcessIdentity): Promise<void> {
  if (await isOwner(storeDir, server)) await rm(ownerPath(storeDir), { force: true });
}

/** As `forgetOwner`, but takes the store lock itself. Does not create the folder again if it was deleted. */
export async function releaseStore(storeDir: string, server: ProcessIdentity): Promise<void> {
  if (await isOwner(storeDir, server)) await withStoreLock(storeDir, () => forgetOwner(storeDir, server));
}

async function isOwner(storeDir: string, { pid, started }: ProcessIdentity): Promise<boolean> {
  const owner = await readOwner(storeDir);
  return owner?.process.pid === pid && owner.process.started === started;
}

/**
 * The server that runs on this store, whether it answers or hangs; undefined if none runs. An owner file counts only
 * while the process that it names may still run. Throws `conflict` if that cannot be determined, and `usage` if others
 * may write into the folder.
 */
export async function findStoreOwner(storeDir: string): Promise<FoundOwner | undefined> {
  // Anyone who can write into the folder could name a server of their own in the owner file.
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

/**
 * As `findStoreOwner`, but if the server does not answer, waits for a start or stop that is under way and looks again.
 */
export async function awaitStoreOwner(storeDir: string): Promise<FoundOwner | undefined> {
  const owner = await findStoreOwner(storeDir);
  return owner && !owner.isAnswering ? withStoreLock(storeDir, () => findStoreOwner(storeDir)) : owner;
}

/**
 * Finds a server for which there is no usable owner file, by the ports file that nats-server itself writes when it
 * listens and deletes when it ends.
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
  // A server that does not answer yet may need the key once it does.
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
    // The file is missing or is not an owner file.
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

/**
 * Whether process `pid` is the server on this store, by its command line: another process that got this id later has a
 * different one.
 */
function isServerOf(storeDir: string, pid: number): boolean {
  // Only Linux lets it read the command line. Elsewhere any live process counts as the server: that is better than
  // starting a second server on the same store.
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

/** The error for a start on a store that `owner` already uses. */
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

/** How to stop the server, in words for a hint. */
export const stopHint = ({ isKept, keeper }: FoundOwner): string =>
  isKept ? `stop the \`orderctl up\` that it belongs to (process ${keeper?.pid})` : "`orderctl broker stop`";
