import { startCommand } from "../support/start-command.ts";
import { until } from "../support/until.ts";

/** Runs a command that listens, until the end of the test; resolves to what it showed first. */
export async function startListening(server: string, words: string): Promise<Record<string, string>> {
  const { stdout } = startCommand(`${words} --json -s ${server}`);
  await until(() => stdout().includes("\n"));
  return JSON.parse(stdout()).data;
}
