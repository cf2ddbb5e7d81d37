import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { until } from "../support/until.ts";

const installed = process.env.ORDERCTL_NATS_SERVER ?? "";

/** The broker that all tests use, and the oldest supported one where it is installed beside it. */
export const servers: { version: string; path: string }[] = [
  installed,
  join(dirname(dirname(installed)), "2.9.10", "nats-server"),
]
  .filter((path, index, all) => existsSync(path) && all.indexOf(path) === index)
  .map((path) => ({ path, version: basename(dirname(path)) }));

export type Running = { url: string; port: number; log(): Promise<string>; stop(): Promise<void> };

/**
 * Starts a nats-server with a configuration file as it is, or with a text, on a free port of loopback. Its variables
 * come from `env`.
 */
export async function startServer(
  { path }: { path: string },
  config: { file: string } | { text: string },
  env: NodeJS.ProcessEnv = {},
): Promise<Running> {
  const folder = await mkdtemp(join(tmpdir(), "orderctl-secured-"));
  const file = "file" in config ? config.file : join(folder, "test.conf");
  if ("text" in config) await writeFile(file, config.text);
  const words = [
    "-c",
    file,
    "-a",
    "127.0.0.1",
    "-p",
    "-1",
    "--ports_file_dir",
    folder,
    "-l",
    join(folder, "log"),
  ];
  const child = spawn(path, words, {
    env: { ORDERCTL_STORE_DIR: join(folder, "store"), ...env },
    stdio: "ignore",
  });
  const ended = once(child, "exit");
  const log = () => readFile(join(folder, "log"), "utf8").catch(() => "");
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  let port = 0;
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`nats-server ended: ${await log()}`);
    port = await readPort(folder);
    return port > 0;
  });
  return { url: `nats://127.0.0.1:${port}`, port, log, stop };
}

/** The same, until the end of the test. */
export async function serverOfTest(...start: Parameters<typeof startServer>): Promise<Running> {
  const running = await startServer(...start);
  onTestFinished(running.stop);
  return running;
}

async function readPort(folder: string): Promise<number> {
  const name = (await readdir(folder)).find((each) => each.endsWith(".ports"));
  const text = name ? await readFile(join(folder, name), "utf8") : "";
  return Number(/"nats":\s*\[\s*"[a-z]+:\/\/[^"]*:(\d+)"/.exec(text)?.[1] ?? 0);
}
