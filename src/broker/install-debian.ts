import { chmod, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { checkFolder, makeTemporaryFolder } from "../core/private-files.ts";
import { type AptSource, parseDeb822Sources, parseSourcesList, pickDebianArchives } from "./apt-sources.ts";
import { addToCache, cachedPath, locateBinary } from "./binary-cache.ts";
import { type BrokerBinary, readBinaryVersion } from "./broker-binary.ts";
import { chooseVersion } from "./debian-package.ts";
import { type AptTarget, openPrivateApt, type PrivateApt } from "./private-apt.ts";
import { runCommand } from "./run-command.ts";

/** Tried before the suites that are configured; the first whose package fits this machine wins. */
const newestSuites = ["sid", "testing", "stable"];
const keyrings = [
  "/usr/share/keyrings/debian-archive-keyring.gpg",
  "/usr/share/keyrings/debian-archive-keyring.pgp",
];

export type DebianInstall = {
  cacheDir: string;
  /** Only this suite, instead of the newest that fits. */
  suite?: string | undefined;
  aptDir?: string | undefined;
  signal?: AbortSignal | undefined;
  onStep: (text: string) => void;
};

/**
 * Fetches Debian's nats-server package through the system's apt, from the mirror the system uses and verified with
 * Debian's key ring, and unpacks the program into the cache. Nothing is installed and root is not needed. Rejects
 * with a reason for every suite that was tried.
 */
export async function installFromDebian(install: DebianInstall): Promise<BrokerBinary> {
  const libc = await readLibcVersion();
  const targets = await listTargets(install);
  const aptDir = makeTemporaryFolder("orderctl-apt-");
  // As root, apt fetches as a user of its own, who must be able to get in.
  await chmod(aptDir, 0o755);
  const reasons: string[] = [];
  try {
    for (const target of targets) {
      install.onStep(`looking for nats-server in Debian ${target.suite}`);
      try {
        const apt = await openPrivateApt(target, { dir: join(aptDir, target.suite), signal: install.signal });
        return await unpackFitting(apt, { ...install, libc });
      } catch (error) {
        install.signal?.throwIfAborted();
        reasons.push(`${target.suite}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  } finally {
    await rm(aptDir, { recursive: true, force: true });
  }
  throw new Error(reasons.join("; "));
}

async function unpackFitting(
  apt: PrivateApt,
  install: DebianInstall & { libc: string },
): Promise<BrokerBinary> {
  const { cacheDir, libc, signal, onStep } = install;
  const fit = await chooseVersion(await apt.show(), libc);
  if ("reason" in fit) throw new Error(fit.reason);
  const upstream = fit.version.replace(/^\d+:/, "").replace(/[-+~].*$/, "");
  // What lies there is run.
  checkFolder(cacheDir);
  const cached = cachedPath(cacheDir, upstream);
  const version = await readBinaryVersion(cached, signal).catch(() => undefined);
  if (version !== undefined) return { path: cached, version, source: "debian" };

  onStep(`fetching Debian's nats-server ${fit.version}`);
  const archive = await apt.download(fit.version);
  const added = await addToCache(cacheDir, async (stagingDir) => {
    await runCommand("dpkg-deb", ["--extract", archive, stagingDir], { signal, timeoutMs: 60_000 });
    return locateBinary(stagingDir);
  });
  return { ...added, source: "debian" };
}

async function readLibcVersion(): Promise<string> {
  if (process.platform !== "linux") throw new Error("this is not Debian");
  await runCommand("apt-get", ["--version"]);
  const said = await runCommand("getconf", ["GNU_LIBC_VERSION"]);
  const version = /^glibc (\S+)/.exec(said)?.[1];
  if (version === undefined) throw new Error("this machine has no GNU C library");
  return version;
}

async function listTargets({ suite, aptDir = "/etc/apt" }: DebianInstall): Promise<AptTarget[]> {
  const archives = pickDebianArchives(await readAptSources(aptDir));
  if (archives.length === 0) throw new Error(`no Debian archive is configured in ${aptDir}`);
  const readable = await Promise.all(keyrings.map((path) => readFile(path).catch(() => undefined)));
  const keyring = keyrings[readable.findIndex((content) => content !== undefined)];
  if (keyring === undefined) throw new Error("the package debian-archive-keyring is not installed");
  return archives.flatMap(({ uri, suites }) => {
    const wanted = suite === undefined ? new Set([...newestSuites, ...suites]) : [suite];
    return [...wanted].map((name) => ({ uri, suite: name, keyring }));
  });
}

/** Everything apt is configured to read below `etcDir`, in its order. */
export async function readAptSources(etcDir: string): Promise<AptSource[]> {
  const parts = join(etcDir, "sources.list.d");
  const names = (await readdir(parts).catch(() => [])).sort();
  const files = [join(etcDir, "sources.list"), ...names.map((name) => join(parts, name))];
  const found = await Promise.all(files.map(readSourceFile));
  return found.flat();
}

async function readSourceFile(path: string): Promise<AptSource[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  if (path.endsWith(".list")) return parseSourcesList(text);
  return path.endsWith(".sources") ? parseDeb822Sources(text) : [];
}
