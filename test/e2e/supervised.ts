import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const binary = join(import.meta.dirname, "../../bin/orderctl.js");

export type Ended = { exitCode: number | null; stdout: string; stderr: string };

type Started = { child: ChildProcess; ended: Promise<Ended>; texts: { stdout: string; stderr: string } };

function start(words: string, env: NodeJS.ProcessEnv = {}): Started {
  const stdio: ["ignore", "pipe", "pipe"] = ["ignore", "pipe", "pipe"];
  const options = { stdio, env: { ...process.env, ...env } };
  const child = spawn(process.execPath, [binary, ...words.split(" ")], options);
  const texts = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    texts.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    texts.stderr += chunk;
  });
  const ended = once(child, "close").then(() => ({ exitCode: child.exitCode, ...texts }));
  return { child, ended, texts };
}

/** Runs the built command in a process of its own, to its end. */
export const orderctl = (words: string): Promise<Ended> => start(words).ended;

export type Launched = {
  pid: number;
  /** What it has said so far. */
  stdout(): string;
  stderr(): string;
  isAlive(): boolean;
  /** SIGTERM unless told otherwise. */
  stop(signal?: NodeJS.Signals): Promise<Ended>;
};

/** Runs the built command in a process of its own; whoever starts it stops it. */
export function launch(words: string, env: NodeJS.ProcessEnv = {}): Launched {
  const { child, ended, texts } = start(words, env);
  return {
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
  /** SIGKILL; a new process takes over at once. */
  kill(): Promise<void>;
  /** SIGTERM, and no new process. */
  stop(): Promise<Ended>;
};

/** Keeps one process of the built command running, as systemd or Kubernetes would: whenever it ends, it is started anew. */
export function supervise(words: string): Supervised {
  let stopping = false;
  let current = start(words);
  const watch = (watched: typeof current): void => {
    void watched.ended.then(() => {
      if (stopping) return;
      current = start(words);
      watch(current);
    });
  };
  watch(current);
  return {
    async kill() {
      const { child, ended } = current;
      child.kill("SIGKILL");
      await ended;
    },
    stop() {
      stopping = true;
      current.child.kill("SIGTERM");
      return current.ended;
    },
  };
}
