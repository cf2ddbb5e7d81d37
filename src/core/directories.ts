import { homedir } from "node:os";
import { join } from "node:path";

type Env = NodeJS.ProcessEnv;

/** Where fetched nats-servers are kept, one folder per version. Safe to delete. */
export const brokerCacheDir = (env: Env): string => join(baseDir("cache", env), "orderctl", "nats-server");

/** Where the simulated payment gateway keeps its records. */
export const stateDir = (env: Env): string => join(baseDir("state", env), "orderctl");

/** Where the broker of `up` and `broker start` keeps its streams and its owner file. */
export const brokerDataDir = (env: Env): string => join(baseDir("data", env), "orderctl", "jetstream");

/** Where files of an archive that is kept in a broker are held, so that they are fetched once. Safe to delete. */
export const archiveCacheDir = (env: Env): string => join(baseDir("cache", env), "orderctl", "archive");

/** Where `up` archives to. */
export const archiveDir = (env: Env): string => join(baseDir("state", env), "orderctl", "archive");

type Purpose = "cache" | "state" | "data";

const xdg = {
  cache: { variable: "XDG_CACHE_HOME", linux: [".cache"], darwin: ["Library", "Caches"] },
  state: {
    variable: "XDG_STATE_HOME",
    linux: [".local", "state"],
    darwin: ["Library", "Application Support"],
  },
  data: { variable: "XDG_DATA_HOME", linux: [".local", "share"], darwin: ["Library", "Application Support"] },
} as const satisfies Record<Purpose, { variable: string; linux: string[]; darwin: string[] }>;

function baseDir(purpose: Purpose, env: Env): string {
  const { variable, linux, darwin } = xdg[purpose];
  const chosen = env[variable];
  if (chosen !== undefined && chosen !== "") return chosen;
  const home = env.HOME || homedir();
  if (process.platform === "win32") return env.LOCALAPPDATA || join(home, "AppData", "Local");
  return join(home, ...(process.platform === "darwin" ? darwin : linux));
}
