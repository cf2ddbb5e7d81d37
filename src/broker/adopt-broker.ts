import { setTimeout as delay } from "node:timers/promises";
import { systemCode } from "../core/errors.ts";
import { identify, isRunning, type ProcessIdentity } from "../core/process-identity.ts";
import type { Broker } from "./start-broker.ts";
import { type FoundOwner, findStoreOwner, releaseStore, withStoreLock, writeOwner } from "./store-owner.ts";

const stopTimeoutMs = 5_000;
const pollMs = 20;
const watchMs = 250;

/**
 * Takes over the server that a killed process left behind on this store: it then ends with this process or, with
 * `background`, becomes the background broker. Undefined if there is no such server, and always with `background`.
 */
export function adoptBroker(storeDir: string, { background = false } = {}): Promise<Broker | undefined> {
  return withStoreLock(storeDir, async () => {
    const owner = await findStoreOwner(storeDir);
    if (owner === undefined || !isLeftBehind(owner)) return undefined;
    const { keeper, ...forgotten } = owner;
    await writeOwner(storeDir, background ? forgotten : { ...owner, keeper: identify(process.pid) });
    return background ? undefined : brokerOf(owner);
  });
}

/** Whether the server answers and the process that was to end it no longer runs. */
export const isLeftBehind = ({ isAnswering, isHere, keeper, isKept }: FoundOwner): boolean =>
  isAnswering && isHere && keeper !== undefined && !isKept;

function brokerOf({ process: server, port = 0, url = "", nkey, version, storeDir }: FoundOwner): Broker {
  const ended = watchEnd(server);
  const killNow = () => signalProcess(server, "SIGKILL");
  process.once("exit", killNow);
  void ended.then(() => process.off("exit", killNow));
  return {
    ...{ url, nkey, port, version, storeDir, pid: server.pid },
    exited: ended.then(() => ({ code: null, signal: null })),
    async stop() {
      await endProcess(server);
      await releaseStore(storeDir, server);
    },
    async kill() {
      killNow();
      await ended;
    },
  };
}

/** Polls, because the server is not a child of this process and sends it no exit event. */
async function watchEnd(server: ProcessIdentity): Promise<void> {
  while (isRunning(server)) await delay(watchMs, undefined, { ref: false });
}

/**
 * Sends SIGTERM, and SIGKILL if the process still runs after 5 s. Never signals another process that got the same id
 * later.
 */
export async function endProcess(server: ProcessIdentity): Promise<void> {
  const deadline = Date.now() + stopTimeoutMs;
  signalProcess(server, "SIGTERM");
  while (isRunning(server) && Date.now() < deadline) await delay(pollMs);
  signalProcess(server, "SIGKILL");
  while (isRunning(server) && Date.now() < deadline + stopTimeoutMs) await delay(pollMs);
}

function signalProcess(server: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isRunning(server)) return;
  try {
    process.kill(server.pid, signal);
  } catch (error) {
    if (systemCode(error) !== "ESRCH") throw error;
  }
}
