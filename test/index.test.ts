import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { temporaryFolder } from "./support/temporary-folder.ts";

const run = promisify(execFile);

/** The files of this package, and those of others, that Node has loaded for a module with this text. */
async function loadedFor(text: string): Promise<string[]> {
  const coverage = await temporaryFolder();
  await run(process.execPath, ["--input-type=module", "--eval", text], {
    cwd: join(import.meta.dirname, ".."),
    env: { ...process.env, NODE_V8_COVERAGE: coverage },
  });
  const reports = (await readdir(coverage)).map((file) => readFile(join(coverage, file), "utf8"));
  return (await Promise.all(reports))
    .flatMap((report): { url: string }[] => JSON.parse(report).result)
    .map(({ url }) => url);
}

it("loads neither the commands, nor the order services, nor OpenTelemetry", async () => {
  const loaded = await loadedFor('import "orderctl"');
  expect(loaded.filter((url) => /\/dist\/(index|orders\/replace-handler)\.js$/.test(url))).toHaveLength(2);
  const isMore =
    /\/dist\/(?!(index|core|flow|jetstream|orders\/replace-handler)\b)|@opentelemetry|\/node_modules\/(nats|commander|fastify)\//;
  expect(loaded.filter((url) => isMore.test(url))).toEqual([]);
}, 20_000);
