import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "./support/temporary-folder.ts";

const root = join(import.meta.dirname, "..");
const execute = promisify(execFile);

/** Rejects with all that the program has printed, so that a test which fails says why. */
async function run(program: string, words: readonly string[], cwd: string): Promise<string> {
  try {
    return (await execute(program, words, { cwd, env: { ...process.env, NO_COLOR: "1" } })).stdout;
  } catch (thrown) {
    const { stdout, stderr } = thrown as { stdout: string; stderr: string };
    throw new Error(`${program} ${words.join(" ")} has failed:\n${stdout}\n${stderr}`, { cause: thrown });
  }
}

/** The package as `npm install orderctl` would get it. */
let tarball: string;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "orderctl-test-"));
  // It is built: its scripts need not run again.
  const words = ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder];
  tarball = join(folder, (await run("npm", words, root)).trim());
  return () => rm(folder, { recursive: true });
});

/** Each folder of `examples` is tried as somebody would who has copied it. */
describe.each(readdirSync(join(root, "examples")))("examples/%s", (name) => {
  it("is installed from registry and package, passes its tests, and has types and a flow that are right", async () => {
    const folder = join(await temporaryFolder(), name);
    const isSource = (path: string) => !path.includes("node_modules");
    await cp(join(root, "examples", name), folder, { recursive: true, filter: isSource });
    await run("npm", ["install", tarball, "--prefer-offline", "--no-audit", "--no-fund"], folder);
    const tested = await run("npm", ["test"], folder);
    expect(tested).toMatch(/^# pass [1-9]/m);
    expect(tested).toMatch(/^# fail 0$/m);
    expect(tested).toMatch(/^# skipped 0$/m);
    expect(await run("npx", ["orderctl", "flow", "show"], folder)).toMatch(/^stream [A-Z]+: events by /);
    await run(join(root, "node_modules/.bin/tsc"), ["-p", folder], folder);
  }, 120_000);
});
