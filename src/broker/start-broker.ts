import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { OrderctlError } from "../core/errors.ts";
import { openPrivateAppend, writePrivateFile } from "../core/private-files.ts";
import { identify, type ProcessIdentity } from "../core/process-identity.ts";
import type { BrokerBinary } from "./broker-binary.ts";
import { isBrokerAnswering, isJetStreamAnswering } from "./probe.ts";
import { keyPath, openKey } from "./store-key.ts";
import {
  configPath,
  findStoreOwner,
  forgetOwner,
  readPortsFiles,
  releaseStore,
  type StoreOwner,
  serverNameOf,
  storeInUse,
  withStoreLock,
  writeOwner,
} from "./store-owner.ts";

const readyTimeoutMs = 10_000;
const pollMs = 20;
const stopTimeoutMs = 5_000;

export type BrokerStart = {
  binary: BrokerBinary;
  /** The port on loopback; 0 or undefined takes a free one. */
  port?: number | undefined;
  /** Folder for the streams, the generated configuration and `nats-server.log`; created if missing. */
  storeDir: string;
  /** Aborts the start. It does not stop a broker that already runs; `Broker.stop` does. */
  signal?: AbortSignal | undefined;
  /** Lines in nats-server's configuration syntax, appended to the generated configuration. */
  extraConfig?: string | undefined;
  /** Lets the broker outlive this process. */
  background?: boolean | undefined;
  /** If true, the server accepts every client that can connect; otherwise a client needs the store's key. */
  noAuth?: boolean | undefined;
};

export type BrokerExit = { code: number | null; signal: NodeJS.Signals | null };

/** A running nats-server with JetStream, on loopback. */
export type Broker = {
  url: string;
  /** Path of the nkey file that clients log in with; undefined if the server needs no login. */
  nkey: string | undefined;
  port: number;
  pid: number;
  version: string;
  storeDir: string;
  /**
   * Sends SIGTERM, and SIGKILL if the server has not ended after 5 s. Resolves once it has ended; may be called again.
   */
  stop(): Promise<void>;
  /**
   * Sends SIGKILL and resolves once the server has ended. The next start on the same `storeDir` finds what was stored.
   */
  kill(): Promise<void>;
  exited: Promise<BrokerExit>;
};

/**
 * Starts a nats-server and resolves once JetStream answers. Throws `conflict` if a server already runs on `storeDir`
 * (two servers would corrupt the store, and neither reports it); `unavailable`, with the last lines of the server's
 * log, if it ends or does not answer within 10 s; `interrupted` when `signal` aborts. A failed start leaves no process
 * behind. The server is not in this process's group, so that Ctrl-C reaches only this process; it is killed when this
 * process exits, unless `background` is set.
 */
export const startBroker = (start: BrokerStart): Promise<Broker> =>
  withStoreLock(start.storeDir, async () => {
    const owner = await findStoreOwner(start.storeDir);
    if (owner) throw storeInUse(owner);
    return startServer(start);
  });

async function startServer(start: BrokerStart): Promise<Broker> {
  const { binary, storeDir, background } = start;
  await writeConfig(start);
  const { child, exited, logStart } = await spawnServer(binary.path, storeDir);
  const server = child.pid === undefined ? undefined : identify(child.pid);
  const killNow = () => void child.kill("SIGKILL");
  if (!background) {
    process.once("exit", killNow);
    void exited.then(() => process.off("exit", killNow));
  }
  try {
    const { port } = await remember(start, server, () => waitUntilReady(child, start));
    if (background) child.unref();
    return {
      url: `nats://127.0.0.1:${port}`,
      nkey: start.noAuth ? undefined : keyPath(storeDir),
      port,
      pid: child.pid ?? 0,
      version: binary.version,
      storeDir,
      exited,
      async stop() {
        await stopServer(child, exited);
        if (server) await releaseStore(storeDir, server);
      },
      kill: async () => {
        killNow();
        await exited;
      },
    };
  } catch (error) {
    killNow();
    await exited;
    throw await startError(error, start, logStart);
  }
}

/**
 * Writes the owner file at once, adds the server's address to it when the server is ready, and deletes it if the server
 * never is.
 */
async function remember(
  start: BrokerStart,
  server: ProcessIdentity | undefined,
  ready: () => Promise<Listening>,
): Promise<Listening> {
  if (server === undefined) return ready();
  const owner = ownerOf(start, server);
  await writeOwner(start.storeDir, owner);
  try {
    const listening = await ready();
    await writeOwner(start.storeDir, { ...owner, ...listening });
    return listening;
  } catch (thrown) {
    await forgetOwner(start.storeDir, server);
    throw thrown;
  }
}

async function startError(
  error: unknown,
  { storeDir, signal }: BrokerStart,
  logStart: number,
): Promise<OrderctlError> {
  if (signal?.aborted) return new OrderctlError("interrupted", "interrupted", { cause: error });
  const log = await readLogEnd(storeDir, logStart);
  const reason = error instanceof Error ? error.message : String(error);
  return new OrderctlError("unavailable", `nats-server ${reason}${log}`, {
    hint: `see ${join(storeDir, "nats-server.log")}`,
    cause: error,
  });
}

const ownerOf = ({ binary, background }: BrokerStart, server: ProcessIdentity): StoreOwner => ({
  process: server,
  version: binary.version,
  binary: binary.path,
  source: binary.source,
  startedAt: new Date().toISOString(),
  ...(background ? {} : { keeper: identify(process.pid) }),
});

async function writeConfig({ storeDir, port = 0, noAuth, extraConfig = "" }: BrokerStart): Promise<void> {
  const users = noAuth ? "" : `authorization { users: [{ nkey: ${await openKey(storeDir)} }] }\n`;
  for (const { name } of await readPortsFiles(storeDir)) await rm(join(storeDir, name));
  await writePrivateFile(
    configPath(storeDir),
    `server_name: "${serverNameOf(storeDir)}"
host: "127.0.0.1"
port: ${port === 0 ? -1 : port}
ports_file_dir: ${JSON.stringify(storeDir)}
jetstream { store_dir: ${JSON.stringify(storeDir)} }
${users}${extraConfig}
`,
  );
}

async function spawnServer(path: string, storeDir: string) {
  const log = await openPrivateAppend(join(storeDir, "nats-server.log"));
  try {
    const logStart = (await log.stat()).size;
    const child = spawn(path, ["--config", configPath(storeDir)], {
      cwd: storeDir,
      env: environment(process.env),
      detached: true,
      windowsHide: true,
      stdio: ["ignore", log.fd, log.fd],
    });
    // Watch for the exit right away: the server may end before the log is closed below.
    return { child, exited: watchExit(child), logStart };
  } finally {
    await log.close();
  }
}

/**
 * The environment without the NATS, OTEL and ORDERCTL variables: they may hold credentials, which the server does not
 * need, and other processes of this user can read its environment.
 */
const environment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !/^(NATS|OTEL|ORDERCTL)_/.test(name)));

async function watchExit(child: ChildProcess): Promise<BrokerExit> {
  try {
    const [code, signal] = await once(child, "exit");
    return { code, signal };
  } catch {
    return { code: null, signal: null };
  }
}

type Listening = { port: number; serverId: string };

/**
 * Where the server process `pid` listens, read from the ports file that it writes; undefined until JetStream answers.
 */
async function readListening(storeDir: string, pid: number): Promise<Listening | undefined> {
  const port = (await readPortsFiles(storeDir)).find((file) => file.pid === pid)?.port;
  if (port === undefined || !(await isJetStreamAnswering(`127.0.0.1:${port}`))) return undefined;
  const greeting = await isBrokerAnswering(`127.0.0.1:${port}`);
  return greeting && { port, serverId: greeting.serverId };
}

async function waitUntilReady(child: ChildProcess, { storeDir, signal }: BrokerStart): Promise<Listening> {
  const deadline = Date.now() + readyTimeoutMs;
  while (Date.now() < deadline) {
    if (child.pid === undefined) throw new Error("could not be started");
    if (hasEnded(child)) throw new Error("ended at once");
    const listening = await readListening(storeDir, child.pid);
    if (listening) return listening;
    await delay(pollMs, undefined, { signal });
  }
  throw new Error(`did not answer within ${readyTimeoutMs} ms`);
}

async function stopServer(child: ChildProcess, exited: Promise<BrokerExit>): Promise<void> {
  child.ref();
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
  await exited;
  clearTimeout(timer);
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

async function readLogEnd(storeDir: string, from: number): Promise<string> {
  const log = await readFile(join(storeDir, "nats-server.log")).catch(() => Buffer.alloc(0));
  const lines = log.subarray(from).toString().trimEnd().split("\n").slice(-8);
  return lines.join("") === "" ? "" : `:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
