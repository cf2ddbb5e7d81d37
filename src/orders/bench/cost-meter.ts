import { readFileSync } from "node:fs";
import type { Figures } from "./figures.ts";

type Costs = Pick<Figures, "perSecond" | "clientCpuUs" | "brokerCpuUs" | "maxRssMb">;

/** Starts the clocks. The returned function stops them and divides time and CPU by `count` messages. */
export function startCostMeter(brokerPid: number | null): (count: number) => Costs {
  const client = process.cpuUsage();
  const broker = readCpuUs(brokerPid);
  const startedAt = performance.now();
  return (count) => {
    const seconds = (performance.now() - startedAt) / 1000;
    const { user, system } = process.cpuUsage(client);
    const brokerNow = readCpuUs(brokerPid);
    return {
      perSecond: count / seconds,
      clientCpuUs: (user + system) / count,
      brokerCpuUs: broker === null || brokerNow === null ? null : (brokerNow - broker) / count,
      maxRssMb: (process.resourceUsage().maxRSS * 1024) / 1e6,
    };
  };
}

/** The kernel reports process times in 1/100 s on every platform that Node runs on. */
const usPerTick = 10_000;

/** CPU time in µs that another process has used so far; `null` without `/proc`. Fields: proc(5), utime and stime. */
function readCpuUs(pid: number | null): number | null {
  if (pid === null || process.platform !== "linux") return null;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const afterName = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(afterName[11]) + Number(afterName[12])) * usPerTick;
  } catch {
    return null;
  }
}
