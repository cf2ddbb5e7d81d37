import { onTestFinished } from "vitest";
import { runCommand } from "../support/run-command.ts";
import { until } from "../support/until.ts";

/** Runs a command that listens, until the end of the test; resolves to what it showed first. */
export async function startListening(server: string, words: string): Promise<Record<string, string>> {
  const controller = new AbortController();
  let said = "";
  const onStdout = (text: string) => {
    said += text;
  };
  const ran = runCommand(`${words} --json -s ${server}`, { signal: controller.signal, onStdout });
  onTestFinished(async () => {
    controller.abort("SIGINT");
    await ran;
  });
  await until(() => said.includes("\n"));
  return JSON.parse(said).data;
}
