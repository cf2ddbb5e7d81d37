import { join } from "node:path";
import { checkFolder } from "../core/private-files.ts";
import { addToCache, cachedPath, locateBinary } from "./binary-cache.ts";
import { type BrokerBinary, readBinaryVersion } from "./broker-binary.ts";
import { downloadVerified } from "./download.ts";
import { type ReleaseTable, releaseBaseUrl } from "./releases.ts";
import { runCommand } from "./run-command.ts";

const defaultStallMs = 15_000;

export type ReleaseInstall = {
  cacheDir: string;
  releases: ReleaseTable;
  /** Instead of GitHub; files lie below it as they do there: `v<version>/<archive>`. */
  mirror?: string | undefined;
  stallMs?: number | undefined;
  signal?: AbortSignal | undefined;
  onStep: (text: string) => void;
};

/**
 * Downloads the official release pinned for this platform and unpacks it into the cache. Whatever goes wrong, nothing
 * of it stays behind.
 */
export async function installFromRelease(install: ReleaseInstall): Promise<BrokerBinary> {
  const { cacheDir, releases, signal, onStep, stallMs = defaultStallMs } = install;
  const platform = `${process.platform}-${process.arch}`;
  const release = releases[platform];
  if (release === undefined) throw new Error(`no pinned release for ${platform}`);
  // What lies there is run.
  checkFolder(cacheDir);
  const cached = cachedPath(cacheDir, release.version);
  const version = await readBinaryVersion(cached, signal).catch(() => undefined);
  if (version !== undefined) return { path: cached, version, source: "release" };

  onStep(`downloading nats-server ${release.version}`);
  const base = (install.mirror || releaseBaseUrl).replace(/\/+$/, "");
  const url = `${base}/v${release.version}/${release.archive}`;
  const added = await addToCache(cacheDir, async (stagingDir) => {
    const archive = join(stagingDir, release.archive);
    await downloadVerified({ url, sha256: release.sha256, to: archive, signal, stallMs });
    const args = ["-x", "-f", archive, "-C", stagingDir, "--no-same-owner"];
    await runCommand("tar", args, { signal, timeoutMs: 60_000 });
    return locateBinary(stagingDir);
  });
  return { ...added, source: "release" };
}
