import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { resolve } from "node:path";

// All that starts tests starts them in the project's folder; compiled ones lie elsewhere in it.
const binary = resolve("bin/orderctl.js");

export type Ended = { exitCode: number | null; stdout: string; stderr: string };

type StartOptions = {
  /** Ends the process at once when it aborts. */
  signal?: AbortSignal;
  /** A file that is given, at its end, what the process says. */
  log?: string;
  env?: NodeJS.ProcessEnv;
};

type Started = { child: ChildProcess; ended: Promise<Ended>; texts: { stdout: string; stderr: string } };

function start(words: string, { signal, log, env }: StartOptions = {}): Started {
  const stdio: ["ignore", "pipe", "pipe"] = ["ignore", "pipe", "pipe"];
  const options = { stdio, env: { ...process.env, ...env } };
  const child = spawn(process.execPath, [binary, ...words.split(" ")], options);
  const texts = { stdout: "", stderr: "" };
  const file = log === undefined ? undefined : createWriteStream(log, { flags: "a" });
  child.stdout.on("data", (chunk) => {
    texts.stdout += chunk;
    file?.write(chunk);
  });
  child.stderr.on("data", (chunk) => {
    texts.stderr += chunk;
    file?.write(chunk);
  });
  const kill = () => void child.kill("SIGKILL");
  signal?.addEventListener("abort", kill, { once: true });
  const ended = once(child, "close").then(() => {
    signal?.removeEventListener("abort", kill);
    file?.end();
    return { exitCode: child.exitCode, ...texts };
  });
  if (signal?.aborted) kill();
  return { child, ended, texts };
}

/** Runs the built command in a process of its own, to its end. */
export const orderctl = (words: string, options?: StartOptions): Promise<Ended> =>
  start(words, options).ended;

export type Launched = {
  pid: number;
  /** What it has said so far. */
  stdout(): string;
  stderr(): string;
  isAlive(): boolean;
  /** Settles as soon as it has ended. */
  ended: Promise<Ended>;
  /** SIGTERM unless told otherwise. */
  stop(signal?: NodeJS.Signals): Promise<Ended>;
};

/** Runs the built command in a process of its own; whoever starts it stops it. */
export function launch(words: string, env: NodeJS.ProcessEnv = {}): Launched {
  const { child, ended, texts } = start(words, { env });
  return {
    ended,
    pid: child.pid ?? 0,
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
    isAlive: () => child.exitCode === null && child.signalCode === null,
    stop(signal = "SIGTERM") {
      child.kill(signal);
      return ended;
    },
  };
}

export type Supervised = {
  /** What the process that runs now has said so far. */
  stdout(): string;
  /** SIGKILL; a new process takes over at once. */
  kill(): Promise<void>;
  /** SIGSTOP: it is there and does nothing, until `thaw`. */
  freeze(): void;
  thaw(): void;
  /** SIGTERM, and no new process. */
  stop(): Promise<Ended>;
  /** SIGKILL, and no new process. */
  end(): Promise<Ended>;
  /** What ended although nobody here wanted it to. */
  readonly ends: readonly Ended[];
};

/**
 * Keeps one process of the built command running, as systemd or Kubernetes would: whenever it ends, it is started anew.
 */
export function supervise(words: string, options: Pick<StartOptions, "log" | "env"> = {}): Supervised {
  let stopping = false;
  let current = start(words, options);
  const killed = new Set<Started>();
  const ends: Ended[] = [];
  const watch = (watched: Started): void => {
    void watched.ended.then((ended) => {
      if (!stopping && !killed.has(watched)) ends.push(ended);
      if (stopping) return;
      current = start(words, options);
      watch(current);
    });
  };
  watch(current);
  const stopWith = (signal: NodeJS.Signals) => {
    stopping = true;
    current.child.kill(signal);
    return current.ended;
  };
  return {
    ends,
    stdout: () => current.texts.stdout,
    async kill() {
      const { child, ended } = current;
      killed.add(current);
      child.kill("SIGKILL");
      await ended;
    },
    freeze: () => void current.child.kill("SIGSTOP"),
    thaw: () => void current.child.kill("SIGCONT"),
    stop: () => stopWith("SIGTERM"),
    end: () => stopWith("SIGKILL"),
  };
}
