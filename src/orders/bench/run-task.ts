import { type ChildProcess, fork } from "node:child_process";
import { OrderctlError } from "../../core/errors.ts";
import type { Figures } from "./figures.ts";
import type { BenchMessage, BenchTask } from "./task.ts";

/** The compiled entry point, even if this file itself runs from its TypeScript source. */
const entry = new URL("../../../dist/orders/bench/child.js", import.meta.url);

export type Watch = {
  signal: AbortSignal;
  note: (text: string) => void;
  onReady?: () => void;
};

/**
 * Performs a task in a child process. Settles only once that process has exited: with the figures it measured, with the
 * error it reported, or with the signal's reason if the signal ended it.
 */
export async function runTask(task: BenchTask, { signal, note, onReady }: Watch): Promise<Figures | null> {
  signal.throwIfAborted();
  const child = fork(entry, { execArgv: [], stdio: ["ignore", "ignore", "pipe", "ipc"] });
  const kill = () => void child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  let said: BenchMessage | undefined;
  child.on("message", (message: BenchMessage) => {
    if (message.kind === "ready") onReady?.();
    else if (message.kind === "note") note(message.text);
    else {
      said = message;
      kill();
    }
  });
  child.send(task);
  const { stderr, ending } = await ended(child);
  signal.removeEventListener("abort", kill);
  if (said?.kind === "done") return said.figures;
  signal.throwIfAborted();
  if (said?.kind === "failed") throw new OrderctlError(said.code, said.message);
  throw new OrderctlError(
    "internal",
    `a measuring process ended with ${ending}: ${stderr.trim().slice(-1000)}`,
  );
}

function ended(child: ChildProcess): Promise<{ stderr: string; ending: string }> {
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ stderr, ending: error.message }));
    child.on("close", (code, killedBy) => resolve({ stderr, ending: String(killedBy ?? code) }));
  });
}
