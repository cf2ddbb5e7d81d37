import { type RunningCommand, startCommand } from "./start-command.ts";

/** Runs `orderctl serve` in the test's process until it is stopped, at the latest with the test. */
export const serve = (server: string, words: string, env: NodeJS.ProcessEnv = {}): RunningCommand =>
  startCommand(`serve ${words} --server ${server}`, { env });

export const workers = "payment inventory shipping notification";
