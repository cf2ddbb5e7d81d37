import { readFileSync } from "node:fs";
import { mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { OrderctlError, systemCode } from "../errors.ts";
import type { BrokerSource } from "./broker-binary.ts";

/** What is remembered about the background broker while it runs. `startedAt` is an ISO time. */
export type BrokerState = {
  pid: number;
  port: number;
  /** The id the server gave itself at this start; no other process has it. */
  serverId: string;
  version: string;
  storeDir: string;
  binary: string;
  source: BrokerSource;
  startedAt: string;
};

const lockTimeoutMs = 20_000;
const lockPollMs = 50;

/** The remembered state, or undefined if there is none that can be read. */
export async function readState(stateDir: string): Promise<BrokerState | undefined> {
  try {
    const state: BrokerState = JSON.parse(await readFile(statePath(stateDir), "utf8"));
    return Number.isInteger(state.pid) && Number.isInteger(state.port) ? state : undefined;
  } catch {
    return undefined;
  }
}

export async function writeState(stateDir: string, state: BrokerState): Promise<void> {
  const draft = `${statePath(stateDir)}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(state, null, 2)}\n`);
  await rename(draft, statePath(stateDir));
}

export const removeState = (stateDir: string): Promise<void> => rm(statePath(stateDir), { force: true });

/** Runs `work` while no other process does so for the same folder. A lock left by a process that died is taken over. */
export async function withStateLock<T>(stateDir: string, work: () => Promise<T>): Promise<T> {
  await mkdir(stateDir, { recursive: true });
  const path = join(stateDir, "broker.lock");
  const deadline = Date.now() + lockTimeoutMs;
  while (!(await takeLock(path))) {
    if (Date.now() > deadline) {
      throw new OrderctlError("timeout", `another orderctl is starting or stopping the broker (${path})`);
    }
    await delay(lockPollMs);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/** True while a process with that id runs, whichever it is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return systemCode(error) === "EPERM";
  }
  return !isZombie(pid);
}

/** In a container without an init process, a process that ended may keep its id for good. */
function isZombie(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

async function takeLock(path: string): Promise<boolean> {
  try {
    const file = await open(path, "wx");
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
    const owner = Number(await readFile(path, "utf8").catch(() => ""));
    // Empty: its owner is about to write its id.
    if (owner > 0 && !isAlive(owner)) await rm(path, { force: true });
    return false;
  }
}

const statePath = (stateDir: string): string => join(stateDir, "broker.json");
