import { execFile } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { flowGraph, graphMermaid, graphText } from "../../src/flows/flow-graph.ts";
import { flowTypes } from "../../src/flows/flow-types.ts";
import { initFlow } from "../../src/flows/init-flow.ts";
import { loadFlow } from "../../src/flows/load-flow.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);

/** As `npm install` of the package leaves it. */
async function folderWithPackage(): Promise<string> {
  const folder = await temporaryFolder();
  const modules = join(folder, "node_modules");
  await mkdir(modules);
  await symlink(root, join(modules, "orderctl"));
  await symlink(join(root, "node_modules/jiti"), join(modules, "jiti"));
  return folder;
}

describe.each(["proto", "json"] as const)("a new flow with events in %s", (payload) => {
  it("loads, passes its own test, and has the types that are made of its files", async () => {
    const folder = await folderWithPackage();
    const files = await initFlow({ folder, name: "claims", payload });
    const compiled = await loadFlow(join(folder, "claims.ts"));
    expect(compiled.flow.services).toEqual(["claims_decide", "claims_close"]);
    if (payload === "proto")
      expect(flowTypes(compiled)).toBe(await readFile(join(folder, "claims.types.ts"), "utf8"));
    else expect(() => flowTypes(compiled)).toThrow("opened is no protobuf message");
    expect(files).toContain("claims.test.ts");
    const { stdout } = await run("npm", ["test"], { cwd: folder });
    expect(stdout).toMatch(/# pass 4\n/);
    const config = {
      compilerOptions: { ...strict, typeRoots: [join(root, "node_modules/@types")] },
      include: ["*.ts"],
    };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
    await run(join(root, "node_modules/.bin/tsc"), ["-p", folder]);
  });
});

const strict = {
  module: "nodenext",
  target: "es2023",
  strict: true,
  noEmit: true,
  allowImportingTsExtensions: true,
  skipLibCheck: true,
  types: ["node"],
};

describe("flow init", () => {
  it("replaces nothing, and refuses a name that is none", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "claims.ts"), "mine");
    await expect(initFlow({ folder, name: "claims", payload: "proto" })).rejects.toMatchObject({
      code: "conflict",
      message: "claims.ts is there already",
    });
    await expect(initFlow({ folder, name: "My Claims", payload: "proto" })).rejects.toMatchObject({
      code: "usage",
    });
    expect(await readFile(join(folder, "claims.ts"), "utf8")).toBe("mine");
  });

  it("keeps what package.json has", async () => {
    const folder = await temporaryFolder();
    await writeFile(
      join(folder, "package.json"),
      '{ "name": "x", "scripts": { "test": "vitest", "build": "tsc" } }',
    );
    await initFlow({ folder, name: "claim-files", payload: "proto" });
    expect(JSON.parse(await readFile(join(folder, "package.json"), "utf8"))).toEqual({
      name: "x",
      type: "module",
      scripts: { test: "vitest", build: "tsc" },
    });
    expect((await loadFlow(join(folder, "claim-files.ts"))).flow.stream).toBe("CLAIM-FILES");
  });
});

it("draws a flow as text and for Mermaid", async () => {
  const { flow } = await loadFlow(join(root, "fixtures/flows/claims/claims.ts"));
  expect(graphText(flowGraph(flow))).toMatchInlineSnapshot(`
    "stream CLAIMS: events by claimId

      opened           → claims_assess → assessed
      assessed COVERED → claims_payout → paid
      paid             → claims_close  → closed

    ends with assessed REFUSED, closed"
  `);
  expect(graphMermaid(flowGraph(flow))).toMatchInlineSnapshot(`
    "flowchart LR
      opened[opened]
      assessed([assessed])
      paid[paid]
      closed([closed])
      opened -- "claims_assess" --> assessed
      assessed -- "claims_payout (COVERED)" --> paid
      paid -- "claims_close" --> closed"
  `);
});
