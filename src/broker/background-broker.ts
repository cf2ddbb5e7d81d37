import { createConnection } from "node:net";
import { brokerDataDir } from "../core/directories.ts";
import { OrderctlError } from "../core/errors.ts";
import { adoptBroker, endProcess, isLeftBehind } from "./adopt-broker.ts";
import type { BrokerSource } from "./broker-binary.ts";
import { type BrokerSearch, findBroker, findLocalBroker } from "./find-broker.ts";
import { isBrokerAnswering } from "./probe.ts";
import { startBroker } from "./start-broker.ts";
import { findKey } from "./store-key.ts";
import {
  awaitStoreOwner,
  type FoundOwner,
  findStoreOwner,
  forgetOwner,
  stopHint,
  storeInUse,
  withStoreLock,
} from "./store-owner.ts";

export const defaultPort = 4222;

/** The background broker as `orderctl broker` shows it; `null` where a value is unknown or does not apply. */
export type BackgroundStatus = {
  running: boolean;
  /** False if it does not run, or runs and does not answer. */
  answering: boolean;
  pid: number | null;
  url: string | null;
  version: string | null;
  storeDir: string;
  uptimeS: number | null;
  binary: string | null;
  source: BrokerSource | null;
  /** Whether clients need the key; `null` if no broker runs. The key itself is never shown. */
  credential: "present" | "none" | null;
  /** Path of the file with the key. */
  nkey: string | null;
  /**
   * Id of the process that ends the broker when it ends itself, such as `orderctl up`; `null` if only `orderctl broker
   * stop` ends it.
   */
  keptBy: number | null;
};

/**
 * Starts the broker that `orderctl broker stop` ends, unless one already runs (`started: false`). The broker of a
 * running `orderctl up` counts; one that a killed `orderctl up` left behind becomes the background broker. Throws
 * `conflict` if the running broker has another port than `port`, does not answer, or wants its key although `noAuth` is
 * set, and if something else listens on the port; also whatever `findBroker` and `startBroker` throw.
 */
export async function startBackgroundBroker(
  search: BrokerSearch & { port?: number | undefined; noAuth?: boolean | undefined },
): Promise<BackgroundStatus & { started: boolean }> {
  const { env, signal, port, noAuth } = search;
  const storeDir = brokerDataDir(env);
  const running = await awaitStoreOwner(storeDir);
  if (running !== undefined) return { ...(await joinRunning(running, search)), started: false };
  try {
    await refuseTakenPort(port ?? defaultPort);
    const binary = await findBroker(search);
    search.onStep?.(`starting nats-server ${binary.version}`);
    await startBroker({ binary, port: port ?? defaultPort, storeDir, signal, noAuth, background: true });
  } catch (thrown) {
    // Another process may have started the broker in the meantime.
    const winner = await awaitStoreOwner(storeDir);
    if (winner === undefined) throw thrown;
    return { ...(await joinRunning(winner, search)), started: false };
  }
  const started = await findStoreOwner(storeDir);
  if (started) return { ...statusOf(started), started: true };
  throw new OrderctlError("unavailable", "nats-server ended right after its start", {
    hint: `see ${storeDir}/nats-server.log`,
  });
}

async function joinRunning(
  running: FoundOwner,
  { port, noAuth }: { port?: number | undefined; noAuth?: boolean | undefined },
): Promise<BackgroundStatus> {
  if (!running.isAnswering || (port && running.port !== port)) throw storeInUse(running);
  if (noAuth && running.nkey !== undefined) throw wantsKey(running);
  if (!isLeftBehind(running)) return statusOf(running);
  await adoptBroker(running.storeDir, { background: true });
  return statusOf({ ...running, isKept: false });
}

/**
 * Stops the background broker, also one that a killed `orderctl up` left behind, and sends SIGKILL if it has not ended
 * after 5 s; `stopped: false` if none ran. Throws `conflict` if the broker belongs to a process that still runs, or
 * runs in another container.
 */
export async function stopBackgroundBroker({
  env,
}: {
  env: NodeJS.ProcessEnv;
}): Promise<{ stopped: boolean }> {
  const storeDir = brokerDataDir(env);
  if ((await findStoreOwner(storeDir)) === undefined) return { stopped: false };
  return withStoreLock(storeDir, async () => {
    const running = await findStoreOwner(storeDir);
    if (running === undefined) return { stopped: false };
    if (running.isKept || !running.isHere) throw notOurs(running);
    await endProcess(running.process);
    await forgetOwner(storeDir, running.process);
    return { stopped: true };
  });
}

/**
 * The status of the running broker, or, if none runs, the nats-server that `orderctl broker start` would use. Starts,
 * downloads and changes nothing.
 */
export async function readBackgroundStatus(search: BrokerSearch): Promise<BackgroundStatus> {
  const storeDir = brokerDataDir(search.env);
  const running = await awaitStoreOwner(storeDir);
  if (running !== undefined) return statusOf(running);
  const binary = await findLocalBroker(search);
  return {
    running: false,
    answering: false,
    pid: null,
    url: null,
    version: binary?.version ?? null,
    storeDir,
    uptimeS: null,
    binary: binary?.path ?? null,
    source: binary?.source ?? null,
    ...{ credential: null, nkey: null },
    keptBy: null,
  };
}

/** The address of the background broker, and the path of the nkey file to log in with there. */
export type BackgroundServer = { url: string; isRunning: boolean; nkey: string | undefined };

/**
 * The broker that runs on the background store. If none runs, the address and key that it will have once started, since
 * a service may be started before its broker; undefined if another server listens at that address, there is no key yet,
 * or the store cannot be read. Throws `usage` if others may write into the store folder.
 */
export async function findBackgroundServer(env: NodeJS.ProcessEnv): Promise<BackgroundServer | undefined> {
  const storeDir = brokerDataDir(env);
  try {
    const running = await findStoreOwner(storeDir);
    if (running?.url) return { url: running.url, isRunning: true, nkey: running.nkey };
    const [url, nkey] = [urlOf(defaultPort), findKey(storeDir)];
    if (nkey === undefined || (await isBrokerAnswering(url)) !== undefined) return undefined;
    return { url, isRunning: false, nkey };
  } catch (thrown) {
    // Report only an unsafe store folder; any other failure just means that no background broker is known.
    if (thrown instanceof OrderctlError && thrown.code === "usage") throw thrown;
    return undefined;
  }
}

const wantsKey = (running: FoundOwner): OrderctlError =>
  new OrderctlError("conflict", `the broker that runs at ${running.url} wants its key`, {
    hint: `leave --no-auth away, or ${stopHint(running)} first`,
  });

const statusOf = (owner: FoundOwner): BackgroundStatus => ({
  running: true,
  answering: owner.isAnswering,
  pid: owner.process.pid,
  url: owner.url ?? null,
  version: owner.version,
  storeDir: owner.storeDir,
  uptimeS: owner.startedAt ? Math.max(0, (Date.now() - Date.parse(owner.startedAt)) / 1000) : null,
  binary: owner.binary ?? null,
  source: owner.source ?? null,
  credential: owner.nkey === undefined ? "none" : "present",
  nkey: owner.nkey ?? null,
  keptBy: owner.isKept ? (owner.keeper?.pid ?? null) : null,
});

function notOurs(running: FoundOwner): OrderctlError {
  const { url, isKept, keeper, process } = running;
  return isKept
    ? new OrderctlError(
        "conflict",
        `the broker at ${url} belongs to process ${keeper?.pid}, which starts it again`,
        {
          hint: stopHint(running),
        },
      )
    : new OrderctlError(
        "conflict",
        `the broker at ${url} was started in another container (process ${process.pid})`,
        {
          hint: "stop it there",
        },
      );
}

const urlOf = (port: number): string => `nats://127.0.0.1:${port}`;

async function refuseTakenPort(port: number): Promise<void> {
  const greeting = await isBrokerAnswering(urlOf(port));
  if (greeting !== undefined) {
    const { version, name } = greeting;
    throw new OrderctlError("conflict", `another nats-server (${version}, ${name}) listens on port ${port}`, {
      hint: `use it with --server ${urlOf(port)}, or start ours on another --port`,
    });
  }
  if (await isTaken(port)) {
    throw new OrderctlError("conflict", `something that is no nats-server listens on port ${port}`, {
      hint: "choose another --port",
    });
  }
}

const isTaken = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
