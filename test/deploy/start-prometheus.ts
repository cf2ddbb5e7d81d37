import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../support/free-ports.ts";
import { until } from "../support/until.ts";
import { deployDir } from "./deployed-queries.ts";

type Series = { metric: Record<string, string>; value: [number, string] };

type Rule = { name: string; query: string; health: string; lastError?: string; state?: string };

export type Prometheus = {
  /** Rejects with Prometheus' own words where it cannot answer. */
  query(promql: string): Promise<Series[]>;
  rules(): Promise<Rule[]>;
  stop(): Promise<void>;
};

/** Runs the example configuration on free ports, every 15 s of it made one. */
export async function startPrometheus(program: string, target: string): Promise<Prometheus> {
  const dir = await mkdtemp(join(tmpdir(), "orderctl-prometheus-"));
  const source = join(deployDir, "prometheus");
  const example = await readFile(join(source, "prometheus.yml"), "utf8");
  const config = example.replaceAll("15s", "1s").replace("127.0.0.1:9464", target);
  await writeFile(join(dir, "prometheus.yml"), config);
  await copyFile(join(source, "orderctl.rules.yml"), join(dir, "orderctl.rules.yml"));
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    program,
    [
      `--config.file=${dir}/prometheus.yml`,
      `--storage.tsdb.path=${dir}/data`,
      `--web.listen-address=${address}`,
      "--log.level=error",
    ],
    { cwd: dir, stdio: "ignore" },
  );
  const exited = once(child, "exit");
  const api = `http://${address}/api/v1`;
  await until(
    () =>
      fetch(`http://${address}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    20_000,
  );
  return {
    query: async (promql) => (await ask(`${api}/query?${new URLSearchParams({ query: promql })}`)).result,
    async rules() {
      const { groups } = await ask(`${api}/rules`);
      return groups.flatMap((group: { rules: Rule[] }) => group.rules);
    },
    async stop() {
      child.kill("SIGKILL");
      await exited;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: each answer of the API has a shape of its own
async function ask(url: string): Promise<any> {
  const { status, data, error } = JSON.parse(await (await fetch(url)).text());
  if (status !== "success") throw new Error(`${new URL(url).search}: ${error}`);
  return data;
}
