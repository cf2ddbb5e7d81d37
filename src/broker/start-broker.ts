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
  /** On loopback; 0 or nothing for a free one. */
  port?: number | undefined;
  /** Holds the streams, the generated configuration and `nats-server.log`; made if it is not there. */
  storeDir: string;
  /** Ends the start; a broker that runs is stopped by its owner. */
  signal?: AbortSignal | undefined;
  /** Lines in nats-server's own syntax, put at the end of the generated configuration. */
  extraConfig?: string | undefined;
  /** Lets the broker outlive this process. */
  background?: boolean | undefined;
  /** Takes everybody who can connect; otherwise only who has the store's key. */
  noAuth?: boolean | undefined;
};

export type BrokerExit = { code: number | null; signal: NodeJS.Signals | null };

/** A nats-server with JetStream that was started here, on loopback. */
export type Broker = {
  url: string;
  /** What one logs in with; absent where everybody is taken. */
  nkey: string | undefined;
  port: number;
  pid: number;
  version: string;
  storeDir: string;
  /** Asks it to end, and kills it if it has not after 5 s. Resolves once it is gone; may be called again. */
  stop(): Promise<void>;
  /** SIGKILL. Resolves once it is gone. What was stored is found by the next start on the same `storeDir`. */
  kill(): Promise<void>;
  exited: Promise<BrokerExit>;
};

/**
 * Starts a nats-server and resolves once JetStream answers. Throws `conflict` where a server runs on `storeDir`: two would
 * ruin what is stored there, and neither says so; `unavailable` with the last lines of its log when it ends or does not
 * answer within 10 s, `interrupted` when `signal` aborts; no process is left then. The broker is no member of this
 * process's group, so that Ctrl-C reaches only its owner; it is killed when this process exits.
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

/** Writes down whose the store is at once, and where that server is reached as soon as it is; forgets it if it never is. */
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
    // Watched from the beginning: it may have ended before the log is closed here.
    return { child, exited: watchExit(child), logStart };
  } finally {
    await log.close();
  }
}

/** Our own credentials are none of its business, and others of this user may read what a process was started with. */
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

/** Where this very process listens, once it does; the server writes that down. */
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
