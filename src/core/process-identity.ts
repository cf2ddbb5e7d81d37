import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { z } from "zod";
import { systemCode } from "./errors.ts";

/**
 * Identifies one process for good. A process id alone does not: the system gives it to another process later, starts
 * over after a reboot, and uses it for another process inside a container. `null` where the system does not tell.
 */
export const processIdentity = z.object({
  pid: z.int().positive(),
  /** When the process started, in the system's own notation. */
  started: z.string().nullable(),
  host: z.string(),
  /** Id of the kernel's boot, on Linux. */
  boot: z.string().nullable(),
  /** The process id namespace, on Linux: a container has its own. */
  namespace: z.string().nullable(),
});

export type ProcessIdentity = z.infer<typeof processIdentity>;

/**
 * The process that has this id now; undefined when there is none, or only a zombie, which has ended and was not waited
 * for.
 */
export function identify(pid: number): ProcessIdentity | undefined {
  return isAlive(pid) ? { pid, started: readStart(pid), ...place() } : undefined;
}

/**
 * True while the process runs; undefined when that cannot be told, because it ran on another machine or in another
 * container.
 */
export function isRunning(process: ProcessIdentity): boolean | undefined {
  const { host, boot, namespace } = place();
  // The machine has rebooted since.
  if (process.host === host && process.boot !== boot) return false;
  if (process.boot !== boot || process.namespace !== namespace) return undefined;
  if (boot === null && process.host !== host) return undefined;
  return isAlive(process.pid) && readStart(process.pid) === process.started;
}

/** True while any process with that id runs. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return systemCode(error) === "EPERM";
  }
  // In a container without an init process, a process that ended may keep its id for good.
  return !/^[ZX]$/.test(readStat(pid)?.[0] ?? "");
}

/**
 * The fields of proc_pid_stat(5) from the third on: the second is the program's name, which may contain any character.
 */
function readStat(pid: number): string[] | undefined {
  const text = read(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(")") + 2).split(" ");
}

const startField = 22 - 3;

function readStart(pid: number): string | null {
  if (process.platform === "linux") return readStat(pid)?.[startField] ?? null;
  if (process.platform === "win32") return null;
  try {
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim();
  } catch {
    return null;
  }
}

const place = (): Pick<ProcessIdentity, "host" | "boot" | "namespace"> => ({
  host: hostname(),
  boot: read("/proc/sys/kernel/random/boot_id")?.trim() ?? null,
  namespace: readNamespace(),
});

function readNamespace(): string | null {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return null;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
