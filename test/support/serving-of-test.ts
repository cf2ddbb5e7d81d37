import { onTestFinished } from "vitest";
import { type Launched, launch } from "./supervised.ts";
import { until } from "./until.ts";

/** Runs `orderctl serve` in a process of its own until the end of the test; resolves when it serves. */
export async function servingOfTest(words: string): Promise<Launched> {
  const serving = launch(`serve ${words}`);
  onTestFinished(() => serving.stop("SIGKILL").then(() => undefined));
  await until(() => serving.stdout().includes("\n"), 30_000);
  return serving;
}
