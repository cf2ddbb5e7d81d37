import { onTestFinished } from "vitest";
import { type Ran, runCommand } from "./run-command.ts";

export type Serving = {
  /** What it has said so far. */
  stdout(): string;
  /** As Ctrl-C does; resolves when the command has ended. May be called again. */
  stop(): Promise<Ran>;
};

/** Runs `orderctl serve` in the test's process until it is stopped, at the latest with the test. */
export function serve(server: string, words: string, env: NodeJS.ProcessEnv = {}): Serving {
  const controller = new AbortController();
  let said = "";
  const onStdout = (text: string) => {
    said += text;
  };
  const options = { signal: controller.signal, env, onStdout };
  const ran = runCommand(`serve ${words} --server ${server}`, options);
  const stop = () => {
    controller.abort("SIGINT");
    return ran;
  };
  onTestFinished(async () => void (await stop()));
  return { stop, stdout: () => said };
}

export const workers = "payment inventory shipping notification";
