import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { until } from "./until.ts";

const run = promisify(execFile);

/** SIGSTOP; resolves once the process has stopped: on a busy machine it may still answer for a while. */
export async function freeze(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  await until(async () => (await run("ps", ["-o", "stat=", "-p", String(pid)])).stdout.startsWith("T"));
}

export const thaw = (pid: number): boolean => process.kill(pid, "SIGCONT");
