import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { temporaryFolder } from "./support/temporary-folder.ts";

const run = promisify(execFile);

const contentOf = async (folder: string): Promise<Record<string, string>> => {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".md")).sort();
  const read = async (name: string) => [name, await readFile(join(folder, name), "utf8")] as const;
  return Object.fromEntries(await Promise.all(names.map(read)));
};

// Fails as well where an exported symbol has no comment, or its signature names a type that is not exported.
it("docs/api says what the comments in the source say; else: npm run docs:api", async () => {
  const folder = await temporaryFolder();
  await run("npm", ["run", "docs:api", "--", "--out", folder]);
  expect(await contentOf(join(import.meta.dirname, "../docs/api"))).toEqual(await contentOf(folder));
}, 180_000);
