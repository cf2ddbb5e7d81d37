/** One archive of an official nats-server release. */
export type PinnedRelease = { version: string; archive: string; sha256: string };

/** By platform as Node names it, `<process.platform>-<process.arch>`. */
export type ReleaseTable = Readonly<Record<string, PinnedRelease>>;

export const releaseBaseUrl = "https://github.com/nats-io/nats-server/releases/download";

const version = "2.14.5";

const pin = (target: string, sha256: string): PinnedRelease => ({
  version,
  archive: `nats-server-v${version}-${target}`,
  sha256,
});

/**
 * Linux and Windows: as the Docker official image of this version checks them. macOS: as several projects that pin the
 * same release agree.
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
