import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { runCommand } from "../../src/broker/run-command.ts";
import { brokerCacheDir } from "../../src/core/directories.ts";

/** Paths of the two programs, or why there are none. */
export type FoundPrometheus = { prometheus: string; promtool: string } | { missing: string };

const programs = ["prometheus", "promtool"] as const;

/**
 * Prometheus on the PATH, or the one in our cache; with `ORDERCTL_FETCH_PROMETHEUS` set, the distribution's package is
 * fetched and verified by apt, and unpacked into the cache. Nothing is installed and root is not needed.
 */
export async function findPrometheus(env: NodeJS.ProcessEnv): Promise<FoundPrometheus> {
  const cacheDir = join(dirname(brokerCacheDir(env)), "prometheus");
  const found = (await findIn("")) ?? (await findIn(cacheDir));
  if (found) return found;
  if (!env.ORDERCTL_FETCH_PROMETHEUS)
    return { missing: "no prometheus on the PATH; try npm run test:prometheus" };
  try {
    await fetchInto(cacheDir);
    return (await findIn(cacheDir)) ?? { missing: "the package's prometheus does not run here" };
  } catch (thrown) {
    return { missing: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}

async function findIn(dir: string): Promise<{ prometheus: string; promtool: string } | undefined> {
  const [prometheus, promtool] = programs.map((name) => join(dir, name));
  if (prometheus === undefined || promtool === undefined) return undefined;
  const said = [prometheus, promtool].map((path) => runCommand(path, ["--version"]));
  return Promise.all(said).then(
    () => ({ prometheus, promtool }),
    () => undefined,
  );
}

async function fetchInto(cacheDir: string): Promise<void> {
  await mkdir(dirname(cacheDir), { recursive: true });
  const dir = await mkdtemp(join(tmpdir(), "orderctl-prometheus-"));
  const staging = await mkdtemp(`${cacheDir}-`);
  const options = { cwd: dir, timeoutMs: 120_000 };
  try {
    await runCommand("apt-get", ["--quiet", "download", "prometheus"], options);
    const archive = (await readdir(dir)).find((name) => name.endsWith(".deb")) ?? "";
    await runCommand("dpkg-deb", ["--extract", join(dir, archive), staging], options);
    await rm(cacheDir, { recursive: true, force: true });
    await rename(join(staging, "usr", "bin"), cacheDir);
  } finally {
    await rm(dir, { recursive: true, force: true });
    await rm(staging, { recursive: true, force: true });
  }
}
