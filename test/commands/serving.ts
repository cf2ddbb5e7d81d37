import { onTestFinished } from "vitest";
import { type Ran, runCommand } from "../run-command.ts";

export type Serving = {
  /** As Ctrl-C does; resolves when the command has ended. May be called again. */
  stop(): Promise<Ran>;
};

/** Runs `orderctl serve` in the test's process until it is stopped, at the latest with the test. */
export function serve(server: string, words: string): Serving {
  const controller = new AbortController();
  const ran = runCommand(`serve ${words} --server ${server}`, { signal: controller.signal });
  const stop = () => {
    controller.abort("SIGINT");
    return ran;
  };
  onTestFinished(async () => void (await stop()));
  return { stop };
}

export const workers = "payment inventory shipping notification";
