import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkFolder, makeTemporaryFolder } from "../core/private-files.ts";
import { addToCache, cachedPath, locateBinary } from "./binary-cache.ts";
import { type BrokerBinary, readBinaryVersion } from "./broker-binary.ts";
import { runCommand } from "./run-command.ts";

/** Suites to try before those in apt's configuration, in this order; the first whose package fits this machine wins. */
const newestSuites = ["sid", "testing", "stable"];
const keyrings = [
  "/usr/share/keyrings/debian-archive-keyring.gpg",
  "/usr/share/keyrings/debian-archive-keyring.pgp",
];

export type DebianInstall = {
  cacheDir: string;
  /** If given, only this suite is tried, instead of the newest one whose package fits. */
  suite?: string | undefined;
  aptDir?: string | undefined;
  signal?: AbortSignal | undefined;
  onStep: (text: string) => void;
};

/**
 * Downloads Debian's nats-server package through the system's apt, from the mirror that the system uses and verified
 * with Debian's key ring, and unpacks the program into the cache. Installs nothing and does not need root. Rejects with
 * a reason for every suite that was tried.
 */
export async function installFromDebian(install: DebianInstall): Promise<BrokerBinary> {
  const libc = await readLibcVersion();
  const targets = await listTargets(install);
  const aptDir = makeTemporaryFolder("orderctl-apt-");
  // When run as root, apt downloads as its own unprivileged user, which must be able to enter this folder.
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
  // Programs in the cache are executed, so nobody else may be able to write there.
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

/** All package sources in `sources.list` and `sources.list.d` below `etcDir`, in the order in which apt reads them. */
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

/** The version of a package that runs on this machine when it is only unpacked, or why none does. */
export type Fit = { version: string } | { reason: string };

/**
 * Looks through control stanzas (`apt-cache show`) for a nats-server that needs no C library newer than `libc` (`2.36`)
 * and no other library, since no dependency is installed with it. Dependencies that are not libraries are ignored: the
 * package needs them only to run as a system service.
 */
export async function chooseVersion(stanzas: string, libc: string): Promise<Fit> {
  let reason = "it has no nats-server";
  for (const fields of parseStanzas(stanzas)) {
    const version = fields.get("version");
    if (fields.get("package") !== "nats-server" || version === undefined) continue;
    const missing = await findMissing(fields.get("depends") ?? "", libc);
    if (missing === undefined) return { version };
    reason = `${version} needs ${missing}`;
  }
  return { reason };
}

async function findMissing(depends: string, libc: string): Promise<string | undefined> {
  for (const dependency of depends.split(",").map((part) => part.trim())) {
    const [, name = "", relation] = /^(lib[^\s(:]+)[^(]*(?:\(>= ([^)]+)\))?/.exec(dependency) ?? [];
    if (name === "") continue;
    if (name !== "libc6") return dependency;
    if (relation !== undefined && !(await isAtLeast(libc, relation))) {
      return `libc6 ${relation}, and this machine has ${libc}`;
    }
  }
  return undefined;
}

const isAtLeast = (left: string, right: string): Promise<boolean> =>
  runCommand("dpkg", ["--compare-versions", left, "ge", right]).then(
    () => true,
    () => false,
  );

/** One archive from the system's apt configuration. */
export type AptSource = { uri: string; suites: string[]; components: string[]; signedBy: string | null };

/** Reads a `.list` file of apt (one-line format). Skips `deb-src` entries, comments and CD-ROMs. */
export function parseSourcesList(text: string): AptSource[] {
  return text.split("\n").flatMap((line) => {
    const [, options = "", uri, suite, components = ""] =
      /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)([^#]*)/.exec(line) ?? [];
    if (uri === undefined || suite === undefined || uri.startsWith("cdrom:")) return [];
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1] ?? null;
    return [{ uri, suites: [suite], components: words(components), signedBy }];
  });
}

/** Reads a deb822 `.sources` file. Skips disabled stanzas and those without binary packages. */
export function parseDeb822Sources(text: string): AptSource[] {
  return parseStanzas(text).flatMap((fields) => {
    const isOff = /^(no|false|off|0)$/i.test(fields.get("enabled") ?? "yes");
    if (isOff || !words(fields.get("types")).includes("deb")) return [];
    const signedBy = fields.get("signed-by") ?? null;
    const suites = words(fields.get("suites"));
    return words(fields.get("uris")).map((uri) => ({
      uri,
      suites,
      components: words(fields.get("components")),
      signedBy,
    }));
  });
}

/**
 * Reads RFC 822 style stanzas (control files, deb822). Field names are returned in lower case; comments are skipped.
 */
export function parseStanzas(text: string): Map<string, string>[] {
  const bare = text.replace(/\r/g, "").replace(/^#.*\n?/gm, "");
  return bare
    .split(/\n\s*\n/)
    .map(parseFields)
    .filter((fields) => fields.size > 0);
}

function parseFields(stanza: string): Map<string, string> {
  const unfolded = stanza.replace(/\n[ \t]+/g, " ");
  const fields = new Map<string, string>();
  for (const line of unfolded.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return fields;
}

const debianSuites =
  /^(sid|unstable|testing|stable|oldstable|oldoldstable|buster|bullseye|bookworm|trixie|forky|duke)$/;

/**
 * The Debian archives among `sources`, each once, with the suites configured for them. Only plain suites count, not
 * those for updates or security.
 */
export function pickDebianArchives(sources: AptSource[]): { uri: string; suites: string[] }[] {
  const archives = new Map<string, Set<string>>();
  for (const source of sources) {
    const suites = source.suites.filter((suite) => debianSuites.test(suite));
    if (suites.length === 0 || !isDebianArchive(source)) continue;
    const uri = source.uri.replace(/\/+$/, "");
    archives.set(uri, new Set([...(archives.get(uri) ?? []), ...suites]));
  }
  return [...archives].map(([uri, suites]) => ({ uri, suites: [...suites] }));
}

function isDebianArchive({ uri, components, signedBy }: AptSource): boolean {
  const namesDebian = /debian/i.test(uri) || /debian-archive/.test(signedBy ?? "");
  return namesDebian && components.includes("main");
}

const words = (text = ""): string[] => text.split(/\s+/).filter((word) => word !== "");

const updateTimeoutMs = 120_000;

/** One suite of one archive, and the key ring that its signature is checked against. */
export type AptTarget = { uri: string; suite: string; keyring: string };

/** An apt set-up that reads one suite, keeps all its files in one folder and needs no root. */
export type PrivateApt = {
  /** The control stanzas of the suite's nats-server, checked against the archive's signature. */
  show(): Promise<string>;
  /** Downloads this version, checks it against the signed index and returns the path of the `.deb` file. */
  download(version: string): Promise<string>;
};

type AptOptions = { dir: string; signal?: AbortSignal | undefined };

/** Downloads the suite's index. Rejects when the mirror does not have it or its signature is not valid. */
export async function openPrivateApt(target: AptTarget, { dir, signal }: AptOptions): Promise<PrivateApt> {
  await rm(dir, { recursive: true, force: true });
  await mkdir(join(dir, "state", "lists", "partial"), { recursive: true });
  await mkdir(join(dir, "cache", "archives", "partial"), { recursive: true });
  await writeFile(join(dir, "status"), "");
  await writeFile(join(dir, "apt.conf"), aptConfig(dir));
  const { uri, suite, keyring } = target;
  const line = `deb [target=Packages signed-by=${keyring}] ${uri} ${suite} main\n`;
  await writeFile(join(dir, "sources.list"), line);

  const run = (program: string, args: string[]): Promise<string> =>
    runCommand(program, ["--config-file", join(dir, "apt.conf"), ...args], {
      cwd: dir,
      env: { ...process.env, LC_ALL: "C" },
      signal,
      timeoutMs: updateTimeoutMs,
    });

  await run("apt-get", ["--quiet", "update"]);
  return {
    show: () => run("apt-cache", ["show", "nats-server"]),
    async download(version) {
      await run("apt-get", ["--quiet", "download", `nats-server=${version}`]);
      const name = (await readdir(dir)).find((entry) => entry.endsWith(".deb"));
      if (name === undefined) throw new Error("apt-get download left no package");
      return join(dir, name);
    },
  };
}

/**
 * apt reads this after the system's own configuration: the system's proxy and mirror settings apply, but its hooks do
 * not run, and unverified packages are never accepted.
 */
const aptConfig = (dir: string): string => `
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Dir::State "${dir}/state";
Dir::State::status "${dir}/status";
Dir::State::lists "${dir}/state/lists";
Dir::Cache "${dir}/cache";
Dir::Cache::archives "${dir}/cache/archives";
Dir::Etc::sourcelist "${dir}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "15";
Acquire::https::Timeout "15";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
APT::Get::AllowUnauthenticated "false";
APT::Update::Error-Mode "any";
`;
