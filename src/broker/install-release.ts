import { join } from "node:path";
import { checkFolder } from "../core/private-files.ts";
import { addToCache, cachedPath, locateBinary } from "./binary-cache.ts";
import { type BrokerBinary, readBinaryVersion } from "./broker-binary.ts";
import { downloadVerified } from "./download.ts";
import { runCommand } from "./run-command.ts";

const defaultStallMs = 15_000;

export type ReleaseInstall = {
  cacheDir: string;
  releases: ReleaseTable;
  /** Base URL to use instead of GitHub's; it has to serve the same paths, `v<version>/<archive>`. */
  mirror?: string | undefined;
  stallMs?: number | undefined;
  signal?: AbortSignal | undefined;
  onStep: (text: string) => void;
};

/**
 * Downloads the official release pinned for this platform and unpacks it into the cache. A failure leaves no files
 * behind.
 */
export async function installFromRelease(install: ReleaseInstall): Promise<BrokerBinary> {
  const { cacheDir, releases, signal, onStep, stallMs = defaultStallMs } = install;
  const platform = `${process.platform}-${process.arch}`;
  const release = releases[platform];
  if (release === undefined) throw new Error(`no pinned release for ${platform}`);
  // Programs in the cache are executed, so nobody else may be able to write there.
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

/** One archive of an official nats-server release. */
export type PinnedRelease = { version: string; archive: string; sha256: string };

/** Releases by platform as Node names it, `<process.platform>-<process.arch>`. */
export type ReleaseTable = Readonly<Record<string, PinnedRelease>>;

export const releaseBaseUrl = "https://github.com/nats-io/nats-server/releases/download";

const version = "2.14.5";

const pin = (target: string, sha256: string): PinnedRelease => ({
  version,
  archive: `nats-server-v${version}-${target}`,
  sha256,
});

/**
 * Where the checksums come from: for Linux and Windows, the Docker official image of this version; for macOS, several
 * projects that pin the same release and agree.
 */
export const pinnedReleases: ReleaseTable = {
  "linux-x64": pin("linux-amd64.tar.gz", "5e3b603d47c447bda1f77f9ac16dbf91c90aac4ff3681f8fbbc7201e4ed99355"),
  "linux-arm64": pin(
    "linux-arm64.tar.gz",
    "673a98d3faa79dde3f9ebf16d6dfac36a5f694e7ad2015e4954dd7939c85cd4c",
  ),
  "darwin-x64": pin(
    "darwin-amd64.tar.gz",
    "f95c98d6b6ed2b63c5681b46b092c9585c99767d547cf495730c329234625e96",
  ),
  "darwin-arm64": pin(
    "darwin-arm64.tar.gz",
    "ddd907854d9a2de834af133fa396915fe6442fe6d8909ae31390d1ea7a0fea50",
  ),
  "win32-x64": pin("windows-amd64.zip", "f66f840a211ab665083b88e9b7edbcf6296cda143be47e53e6f6bb8520692bbb"),
};
