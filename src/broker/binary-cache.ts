import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { compareVersions } from "../core/compare-versions.ts";
import { openPrivateFolder } from "../core/private-files.ts";
import { binaryName, readBinaryVersion } from "./broker-binary.ts";

const stagingPrefix = ".staging-";
const staleStagingMs = 3_600_000;

/** The versions in the cache, newest first, by the names of their folders; no program is run. */
export async function listCachedVersions(cacheDir: string): Promise<string[]> {
  const names = await readdir(cacheDir).catch(() => []);
  return names.filter((name) => /^\d+\.\d+\.\d+/.test(name)).sort((a, b) => compareVersions(b, a));
}

export const cachedPath = (cacheDir: string, version: string): string => join(cacheDir, version, binaryName);

/**
 * Calls `fetch` with an empty folder inside the cache; `fetch` returns the path of the nats-server that it put there.
 * The program is run once as a check and moved into place in one step, so the cache never holds an incomplete one; if
 * another process was first, its program is used. The folder is removed in any case.
 */
export async function addToCache(
  cacheDir: string,
  fetch: (stagingDir: string) => Promise<string>,
): Promise<{ path: string; version: string }> {
  await openPrivateFolder(cacheDir);
  await removeStaleStaging(cacheDir);
  const stagingDir = await mkdtemp(join(cacheDir, stagingPrefix));
  try {
    const fetched = await fetch(stagingDir);
    await chmod(fetched, 0o755);
    const version = await readBinaryVersion(fetched);
    const alone = join(stagingDir, "alone");
    await mkdir(alone);
    await rename(fetched, join(alone, binaryName));
    await moveIntoPlace(alone, join(cacheDir, version));
    return { path: cachedPath(cacheDir, version), version };
  } finally {
    await rm(stagingDir, { recursive: true, force: true });
  }
}

/** Finds the nats-server below `dir`, wherever the archive or package puts its programs. */
export async function locateBinary(dir: string): Promise<string> {
  const names = await readdir(dir, { recursive: true });
  // A package also has a configuration file and an init script called nats-server.
  const found = names.find((name) => basename(name) === binaryName && !/\b(etc|share|lib)\b/.test(name));
  if (found === undefined) throw new Error(`there is no ${binaryName} in it`);
  return join(dir, found);
}

async function moveIntoPlace(dir: string, target: string): Promise<void> {
  try {
    await rename(dir, target);
  } catch (error) {
    const usable = await readBinaryVersion(join(target, binaryName)).catch(() => undefined);
    if (usable !== undefined) return;
    await rm(target, { recursive: true, force: true });
    await rename(dir, target).catch(() => {
      throw error;
    });
  }
}

/** Removes old staging folders, which processes that were killed while fetching have left behind. */
async function removeStaleStaging(cacheDir: string): Promise<void> {
  for (const name of await readdir(cacheDir)) {
    if (!name.startsWith(stagingPrefix)) continue;
    const made = await stat(join(cacheDir, name)).catch(() => undefined);
    if (made === undefined || Date.now() - made.mtimeMs < staleStagingMs) continue;
    await rm(join(cacheDir, name), { recursive: true, force: true });
  }
}
