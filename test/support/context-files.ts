import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/**
 * An environment in which the nats CLI has these contexts, `selected` being the current one; gone after the test.
 * A text is written as it is.
 */
export async function withContexts(
  contexts: Record<string, object | string>,
  selected?: string,
): Promise<NodeJS.ProcessEnv> {
  const home = await mkdtemp(join(tmpdir(), "orderctl-contexts-"));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  await mkdir(join(home, "nats", "context"), { recursive: true });
  for (const [name, context] of Object.entries(contexts)) {
    const text = typeof context === "string" ? context : JSON.stringify(context);
    await writeFile(join(home, "nats", "context", `${name}.json`), text);
  }
  if (selected !== undefined) await writeFile(join(home, "nats", "context.txt"), `${selected}\n`);
  return { XDG_CONFIG_HOME: home, HOME: home };
}
