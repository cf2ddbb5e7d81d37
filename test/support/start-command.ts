import * as vitest from "vitest";
import { type Ran, type RunOptions, runCommand } from "./run-command.ts";

export type RunningCommand = {
  /** What it has said so far. */
  stdout(): string;
  stderr(): string;
  /** As Ctrl-C does; resolves when the command has ended. May be called again. */
  stop(): Promise<Ran>;
  /** Resolves when it ends by itself, or was stopped. */
  ended: Promise<Ran>;
};

type StartOptions = Pick<RunOptions, "env" | "columns"> & {
  /** That of the test's context, in tests that run side by side. */
  onTestFinished?: vitest.TestContext["onTestFinished"];
};

/** Runs a command line in the test's process until it is stopped, at the latest with the test. */
export function startCommand(
  line: string | string[],
  { onTestFinished = vitest.onTestFinished, ...options }: StartOptions = {},
): RunningCommand {
  const controller = new AbortController();
  const said = { stdout: "", stderr: "" };
  const ran = runCommand(line, {
    ...options,
    signal: controller.signal,
    onStdout: (text) => {
      said.stdout += text;
    },
    onStderr: (text) => {
      said.stderr += text;
    },
  });
  const stop = () => {
    controller.abort("SIGINT");
    return ran;
  };
  onTestFinished(async () => void (await stop()));
  return { stdout: () => said.stdout, stderr: () => said.stderr, stop, ended: ran };
}
