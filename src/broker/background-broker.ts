import { createConnection } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { OrderctlError, systemCode } from "../errors.ts";
import type { BrokerSource } from "./broker-binary.ts";
import {
  type BrokerState,
  isAlive,
  readState,
  removeState,
  withStateLock,
  writeState,
} from "./broker-state.ts";
import { brokerDataDir, brokerStateDir } from "./directories.ts";
import { type BrokerSearch, findBroker, findLocalBroker } from "./find-broker.ts";
import { isBrokerAnswering } from "./probe.ts";
import { type Broker, startBroker } from "./start-broker.ts";

export const defaultPort = 4222;

const stopTimeoutMs = 5_000;
const pollMs = 20;

/** The background broker as `orderctl broker` shows it; `null` where there is nothing to tell. */
export type BackgroundStatus = {
  running: boolean;
  pid: number | null;
  url: string | null;
  version: string | null;
  storeDir: string;
  uptimeS: number | null;
  binary: string | null;
  source: BrokerSource | null;
};

/**
 * Starts the broker that `orderctl broker stop` ends, unless it runs already (`started: false`). Throws `conflict` when
 * it runs on another port than the given one or something else listens there, and whatever `findBroker` and
 * `startBroker` throw.
 */
export async function startBackgroundBroker(
  search: BrokerSearch & { port?: number | undefined },
): Promise<BackgroundStatus & { started: boolean }> {
  const { env, signal, port } = search;
  const stateDir = brokerStateDir(env);
  return withStateLock(stateDir, async () => {
    const running = await readRunning(stateDir);
    if (running !== undefined) {
      if (port) refuseOtherPort(running, port);
      return { ...statusOf(running), started: false };
    }
    await refuseTakenPort(port ?? defaultPort);
    const binary = await findBroker(search);
    search.onStep?.(`starting nats-server ${binary.version}`);
    const storeDir = brokerDataDir(env);
    const broker = await startBroker({
      binary,
      port: port ?? defaultPort,
      storeDir,
      signal,
      background: true,
    });
    const state: BrokerState = {
      pid: broker.pid,
      port: broker.port,
      serverId: await readServerId(broker),
      version: broker.version,
      storeDir,
      binary: binary.path,
      source: binary.source,
      startedAt: new Date().toISOString(),
    };
    await writeState(stateDir, state);
    return { ...statusOf(state), started: true };
  });
}

/**
 * Stops the background broker, and kills it if it has not ended after 5 s; `stopped: false` if none ran. Only the very
 * process that was started is touched: its recorded id is believed when the server on its port still tells the id it
 * gave itself at the start.
 */
export async function stopBackgroundBroker({
  env,
}: {
  env: NodeJS.ProcessEnv;
}): Promise<{ stopped: boolean }> {
  const stateDir = brokerStateDir(env);
  return withStateLock(stateDir, async () => {
    const running = await readRunning(stateDir);
    if (running !== undefined) await endProcess(running.pid);
    await removeState(stateDir);
    return { stopped: running !== undefined };
  });
}

/** What runs, and if nothing does, which nats-server `start` would use. Starts, fetches and changes nothing. */
export async function readBackgroundStatus(search: BrokerSearch): Promise<BackgroundStatus> {
  const running = await readRunning(brokerStateDir(search.env));
  if (running !== undefined) return statusOf(running);
  const binary = await findLocalBroker(search);
  return {
    running: false,
    pid: null,
    url: null,
    version: binary?.version ?? null,
    storeDir: brokerDataDir(search.env),
    uptimeS: null,
    binary: binary?.path ?? null,
    source: binary?.source ?? null,
  };
}

async function readRunning(stateDir: string): Promise<BrokerState | undefined> {
  const state = await readState(stateDir);
  if (state === undefined) return undefined;
  const greeting = await isBrokerAnswering(urlOf(state.port));
  return greeting?.serverId === state.serverId ? state : undefined;
}

const statusOf = ({
  pid,
  port,
  version,
  storeDir,
  binary,
  source,
  startedAt,
}: BrokerState): BackgroundStatus => ({
  running: true,
  pid,
  url: urlOf(port),
  version,
  storeDir,
  uptimeS: Math.max(0, (Date.now() - Date.parse(startedAt)) / 1000),
  binary,
  source,
});

const urlOf = (port: number): string => `nats://127.0.0.1:${port}`;

function refuseOtherPort(running: BrokerState, port: number): void {
  if (running.port === port) return;
  throw new OrderctlError("conflict", `the background broker runs on port ${running.port} already`, {
    hint: `use it with --server ${urlOf(running.port)}, or \`orderctl broker stop\` first`,
  });
}

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

async function readServerId(broker: Broker): Promise<string> {
  const greeting = await isBrokerAnswering(broker.url);
  if (greeting !== undefined) return greeting.serverId;
  await broker.kill();
  throw new OrderctlError("unavailable", "nats-server ended right after its start", {
    hint: `see ${broker.storeDir}/nats-server.log`,
  });
}

async function endProcess(pid: number): Promise<void> {
  const deadline = Date.now() + stopTimeoutMs;
  signalProcess(pid, "SIGTERM");
  while (isAlive(pid) && Date.now() < deadline) await delay(pollMs);
  if (isAlive(pid)) signalProcess(pid, "SIGKILL");
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (systemCode(error) !== "ESRCH") throw error;
  }
}
