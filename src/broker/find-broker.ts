import { existsSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { brokerCacheDir } from "../core/directories.ts";
import { OrderctlError } from "../core/errors.ts";
import { whoMayReplace } from "../core/private-files.ts";
import { cachedPath, listCachedVersions } from "./binary-cache.ts";
import {
  type BrokerBinary,
  type BrokerSource,
  binaryName,
  oldestVersion,
  readBinaryVersion,
} from "./broker-binary.ts";
import { installFromDebian } from "./install-debian.ts";
import { installFromRelease, pinnedReleases, type ReleaseTable } from "./install-release.ts";

export type BrokerSearch = {
  env: NodeJS.ProcessEnv;
  signal?: AbortSignal | undefined;
  /** Called with a short text before each step that takes time. */
  onStep?: ((text: string) => void) | undefined;
  /** The releases that may be downloaded; by default those pinned in the source. */
  releases?: ReleaseTable | undefined;
  /** apt's configuration folder; by default `/etc/apt`. */
  aptDir?: string | undefined;
};

type Step = { source: BrokerSource; label: string; run: (search: BrokerSearch) => Promise<BrokerBinary> };

const local: Step[] = [
  { source: "path", label: "nats-server on PATH", run: searchPath },
  { source: "cache", label: "the cache", run: searchCache },
];

const remote: Step[] = [
  { source: "release", label: "the official release", run: fetchRelease },
  { source: "debian", label: "the Debian package", run: fetchDebian },
];

/**
 * Finds a nats-server that runs on this machine, and fetches one if there is none. Looks in this order:
 * `ORDERCTL_NATS_SERVER` (if set, nothing else), PATH, orderctl's cache, the official release, Debian's package.
 * `ORDERCTL_DEBIAN_SUITE` asks for the package of one suite and skips all other places. Throws `usage` for a wrong
 * setting, `unavailable` with the reason of every step.
 */
export async function findBroker(search: BrokerSearch): Promise<BrokerBinary> {
  const explicit = await readExplicit(search);
  if (explicit !== undefined) return explicit;
  return firstOf(search.env.ORDERCTL_DEBIAN_SUITE ? onlyDebian : [...local, ...remote], search);
}

/** What `findBroker` finds without downloading anything; undefined if nothing. Throws `usage` for a wrong setting. */
export async function findLocalBroker(search: BrokerSearch): Promise<BrokerBinary | undefined> {
  const explicit = await readExplicit(search);
  return explicit ?? firstOf(local, search).catch(() => undefined);
}

/** Puts the pinned release, or else Debian's package, into the cache, unless that version is there already. */
export const installBroker = (search: BrokerSearch): Promise<BrokerBinary> =>
  firstOf(search.env.ORDERCTL_DEBIAN_SUITE ? onlyDebian : remote, search);

const onlyDebian = remote.filter(({ source }) => source === "debian");

async function readExplicit({ env, signal }: BrokerSearch): Promise<BrokerBinary | undefined> {
  const path = env.ORDERCTL_NATS_SERVER;
  if (!path) return undefined;
  try {
    return { path, version: await readBinaryVersion(path, signal), source: "env" };
  } catch (error) {
    throw new OrderctlError("usage", `ORDERCTL_NATS_SERVER: ${messageOf(error)}`, {
      hint: `set it to a nats-server of version ${oldestVersion} or later, or unset it`,
      cause: error,
    });
  }
}

async function firstOf(steps: Step[], search: BrokerSearch): Promise<BrokerBinary> {
  const reasons: string[] = [];
  for (const { source, label, run } of steps) {
    try {
      return await run(search);
    } catch (error) {
      if (search.signal?.aborted) throw new OrderctlError("interrupted", "interrupted", { cause: error });
      const reason = `${label}: ${messageOf(error)}`;
      // Tell at once why the release failed: the next step, Debian's package, may take long as well.
      if (source === "release") search.onStep?.(reason);
      reasons.push(`  ${reason}`);
    }
  }
  throw new OrderctlError("unavailable", `no nats-server to be had:\n${reasons.join("\n")}`, {
    hint: `install nats-server ${oldestVersion} or later (https://nats.io/download), or set ORDERCTL_NATS_SERVER to one`,
  });
}

/**
 * The first usable nats-server on PATH that no other user can replace. `onStep` is told of each one that is skipped
 * because another user could replace it.
 */
async function searchPath({ env, signal, onStep }: BrokerSearch): Promise<BrokerBinary> {
  const reasons: string[] = [];
  for (const dir of (env.PATH ?? "").split(delimiter)) {
    const path = join(dir, binaryName);
    const danger = dangerOf(dir, path);
    if (danger !== undefined) {
      onStep?.(`not used: ${danger}`);
      reasons.push(danger);
      continue;
    }
    try {
      return { path, version: await readBinaryVersion(path, signal), source: "path" };
    } catch (error) {
      if (!messageOf(error).endsWith(": not found")) reasons.push(messageOf(error));
    }
  }
  throw new Error(reasons.length === 0 ? "not found" : reasons.join("; "));
}

function dangerOf(dir: string, path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  if (!isAbsolute(dir)) return `${path}: ${JSON.stringify(dir)} on the PATH is wherever one happens to be`;
  const danger = whoMayReplace(path);
  return danger && `${path}: ${danger}`;
}

async function searchCache({ env, signal, onStep }: BrokerSearch): Promise<BrokerBinary> {
  const cacheDir = brokerCacheDir(env);
  const reasons: string[] = [];
  for (const name of await listCachedVersions(cacheDir)) {
    const path = cachedPath(cacheDir, name);
    const danger = dangerOf(cacheDir, path);
    if (danger !== undefined) {
      onStep?.(`not used: ${danger}`);
      reasons.push(danger);
      continue;
    }
    try {
      return { path, version: await readBinaryVersion(path, signal), source: "cache" };
    } catch (error) {
      reasons.push(messageOf(error));
    }
  }
  throw new Error(reasons.length === 0 ? `${cacheDir} is empty` : reasons.join("; "));
}

const nothing = () => undefined;

function fetchRelease({ env, signal, onStep = nothing, releases }: BrokerSearch): Promise<BrokerBinary> {
  const mirror = env.ORDERCTL_RELEASE_MIRROR;
  const cacheDir = brokerCacheDir(env);
  return installFromRelease({ cacheDir, releases: releases ?? pinnedReleases, mirror, signal, onStep });
}

function fetchDebian({ env, signal, onStep = nothing, aptDir }: BrokerSearch): Promise<BrokerBinary> {
  const suite = env.ORDERCTL_DEBIAN_SUITE || undefined;
  return installFromDebian({ cacheDir: brokerCacheDir(env), suite, signal, onStep, aptDir });
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
