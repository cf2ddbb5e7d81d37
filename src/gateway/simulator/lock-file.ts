import { readFile, rm, writeFile } from "node:fs/promises";
import { OrderctlError, systemCode } from "../../errors.ts";

/**
 * Keeps a file for one process, through a lock file beside it; resolves to what gives it back. The lock of a process
 * that died is taken over; `conflict` while another one runs.
 */
export async function lockFile(path: string): Promise<() => Promise<void>> {
  const lock = `${path}.lock`;
  if (!(await take(lock))) {
    const owner = Number(await readFile(lock, "utf8").catch(() => ""));
    // In a container, the process before this one may have had this one's id.
    if (owner !== process.pid && isAlive(owner)) throw inUse(path, lock, owner);
    await rm(lock, { force: true });
    if (!(await take(lock))) throw inUse(path, lock, owner);
  }
  return () => rm(lock, { force: true });
}

async function take(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (thrown) {
    if (systemCode(thrown) === "EEXIST") return false;
    throw thrown;
  }
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (thrown) {
    return systemCode(thrown) === "EPERM";
  }
}

const inUse = (path: string, lock: string, owner: number): OrderctlError =>
  new OrderctlError("conflict", `${path} is in use by process ${owner}`, {
    hint: `choose another file with --ledger; if that process is no orderctl, delete ${lock}`,
  });
