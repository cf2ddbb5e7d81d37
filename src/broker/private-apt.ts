import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "./run-command.ts";

const updateTimeoutMs = 120_000;

/** One suite of one archive, to be read with a key ring that is trusted for it. */
export type AptTarget = { uri: string; suite: string; keyring: string };

/** An apt that knows one suite, keeps everything in one folder, and needs no root. */
export type PrivateApt = {
  /** The control stanzas of the suite's nats-server, checked against the archive's signature. */
  show(): Promise<string>;
  /** Downloads that version, checked against the signed index, and returns the package's path. */
  download(version: string): Promise<string>;
};

type AptOptions = { dir: string; signal?: AbortSignal | undefined };

/** Reads the suite's index. Rejects when the mirror lacks it or its signature does not hold. */
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
 * Read after the system's own configuration, so that its proxies and mirrors' peculiarities hold, but its hooks do
 * not run and nothing unverified is ever accepted.
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
