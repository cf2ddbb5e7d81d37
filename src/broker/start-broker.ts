import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { OrderctlError } from "../errors.ts";
import type { BrokerBinary } from "./broker-binary.ts";
import { isJetStreamAnswering } from "./probe.ts";

const readyTimeoutMs = 10_000;
const pollMs = 20;
const stopTimeoutMs = 5_000;

export type BrokerStart = {
  binary: BrokerBinary;
  /** On loopback; 0 or nothing for a free one. */
  port?: number | undefined;
  /** Holds the streams, the generated configuration and `nats-server.log`; made if it is not there. */
  storeDir: string;
  /** Ends the start; a broker that runs is stopped by its owner. */
  signal?: AbortSignal | undefined;
  /** Lines in nats-server's own syntax, put at the end of the generated configuration. */
  extraConfig?: string | undefined;
  /** Lets the broker outlive this process. */
  background?: boolean | undefined;
};

export type BrokerExit = { code: number | null; signal: NodeJS.Signals | null };

/** A nats-server with JetStream that was started here, on loopback. */
export type Broker = {
  url: string;
  port: number;
  pid: number;
  version: string;
  storeDir: string;
  /** Asks it to end, and kills it if it has not after 5 s. Resolves once it is gone; may be called again. */
  stop(): Promise<void>;
  /** SIGKILL. Resolves once it is gone. What was stored is found by the next start on the same `storeDir`. */
  kill(): Promise<void>;
  exited: Promise<BrokerExit>;
};

/**
 * Starts a nats-server and resolves once JetStream answers. Throws `unavailable` with the last lines of its log when
 * it ends or does not answer within 10 s, `interrupted` when `signal` aborts; no process is left then. The broker is
 * no member of this process's group, so that Ctrl-C reaches only its owner; it is killed when this process exits.
 */
export async function startBroker(start: BrokerStart): Promise<Broker> {
  const { binary, storeDir, signal } = start;
  const config = await writeConfig(start);
  const { child, exited, logStart } = await spawnServer(binary.path, config, storeDir);
  const killNow = () => void child.kill("SIGKILL");
  if (!start.background) {
    process.once("exit", killNow);
    void exited.then(() => process.off("exit", killNow));
  }
  try {
    const port = await waitUntilReady(child, { storeDir, signal });
    if (start.background) child.unref();
    return {
      url: `nats://127.0.0.1:${port}`,
      port,
      pid: child.pid ?? 0,
      version: binary.version,
      storeDir,
      exited,
      stop: () => stopServer(child, exited),
      kill: async () => {
        killNow();
        await exited;
      },
    };
  } catch (error) {
    killNow();
    await exited;
    if (signal?.aborted) throw new OrderctlError("interrupted", "interrupted", { cause: error });
    const log = await readLogEnd(storeDir, logStart);
    const reason = error instanceof Error ? error.message : String(error);
    throw new OrderctlError("unavailable", `nats-server ${reason}${log}`, {
      hint: `see ${join(storeDir, "nats-server.log")}`,
      cause: error,
    });
  }
}

async function writeConfig({ storeDir, port = 0, extraConfig = "" }: BrokerStart): Promise<string> {
  await mkdir(storeDir, { recursive: true });
  for (const name of await readdir(storeDir)) {
    if (name.endsWith(".ports")) await rm(join(storeDir, name));
  }
  const path = join(storeDir, "nats-server.conf");
  const name = createHash("sha256").update(storeDir).digest("hex").slice(0, 8);
  await writeFile(
    path,
    `server_name: "orderctl-${name}"
host: "127.0.0.1"
port: ${port === 0 ? -1 : port}
ports_file_dir: ${JSON.stringify(storeDir)}
jetstream { store_dir: ${JSON.stringify(storeDir)} }
${extraConfig}
`,
  );
  return path;
}

async function spawnServer(path: string, config: string, storeDir: string) {
  const log = await open(join(storeDir, "nats-server.log"), "a");
  try {
    const logStart = (await log.stat()).size;
    const child = spawn(path, ["--config", config], {
      cwd: storeDir,
      detached: true,
      windowsHide: true,
      stdio: ["ignore", log.fd, log.fd],
    });
    // Watched from the beginning: it may have ended before the log is closed here.
    return { child, exited: watchExit(child), logStart };
  } finally {
    await log.close();
  }
}

async function watchExit(child: ChildProcess): Promise<BrokerExit> {
  try {
    const [code, signal] = await once(child, "exit");
    return { code, signal };
  } catch {
    return { code: null, signal: null };
  }
}

type Waiting = { storeDir: string; signal: AbortSignal | undefined };

async function waitUntilReady(child: ChildProcess, { storeDir, signal }: Waiting): Promise<number> {
  const deadline = Date.now() + readyTimeoutMs;
  while (Date.now() < deadline) {
    if (child.pid === undefined) throw new Error("could not be started");
    if (hasEnded(child)) throw new Error("ended at once");
    const port = await readOwnPort(storeDir, child.pid);
    if (port !== undefined && (await isJetStreamAnswering(`127.0.0.1:${port}`))) return port;
    await delay(pollMs, undefined, { signal });
  }
  throw new Error(`did not answer within ${readyTimeoutMs} ms`);
}

/** The port on which this very process listens; the server writes the file once it does. */
async function readOwnPort(storeDir: string, pid: number): Promise<number | undefined> {
  const name = (await readdir(storeDir)).find((entry) => entry.endsWith(`_${pid}.ports`));
  if (name === undefined) return undefined;
  const text = await readFile(join(storeDir, name), "utf8").catch(() => "");
  const port = /"nats":\s*\[\s*"[a-z]+:\/\/[^"]*:(\d+)"/.exec(text)?.[1];
  return port === undefined ? undefined : Number(port);
}

async function stopServer(child: ChildProcess, exited: Promise<BrokerExit>): Promise<void> {
  child.ref();
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
  await exited;
  clearTimeout(timer);
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

async function readLogEnd(storeDir: string, from: number): Promise<string> {
  const log = await readFile(join(storeDir, "nats-server.log")).catch(() => Buffer.alloc(0));
  const lines = log.subarray(from).toString().trimEnd().split("\n").slice(-8);
  return lines.join("") === "" ? "" : `:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
