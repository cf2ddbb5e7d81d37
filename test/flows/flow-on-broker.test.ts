import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { resolveConfig } from "../../src/cli/config.ts";
import { checkFlow } from "../../src/flows/check-flow.ts";
import { checkText } from "../../src/flows/check-view.ts";
import { readFlowNames } from "../../src/flows/kept-definitions.ts";
import { loadFlow } from "../../src/flows/load-flow.ts";
import { runCommand } from "../support/run-command.ts";
import { launch } from "../support/supervised.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";
import { createFlowWorld, type FlowWorld } from "./flow-world.ts";

const fixture = join(import.meta.dirname, "../../fixtures/flows/claims");

/** A copy of the claims, in which texts are replaced: by file, what is replaced by what. */
async function claimsWith(changes: Record<string, [string, string][]> = {}): Promise<string> {
  const folder = await temporaryFolder();
  await cp(fixture, folder, { recursive: true });
  for (const [file, replaced] of Object.entries(changes)) {
    let text = await readFile(join(folder, file), "utf8");
    for (const [from, to] of replaced) {
      expect(text).toContain(from);
      text = text.replaceAll(from, to);
    }
    await writeFile(join(folder, file), text);
  }
  return join(folder, "claims.ts");
}

const withoutPolicy = { "claims.proto": [["  string policy = 2;\n", ""]] as [string, string][] };

let world: FlowWorld;

/** The services of the claims have run on it, with a few claims. */
beforeAll(async () => {
  world = await createFlowWorld(join(fixture, "claims.ts"));
  await world.serve("all");
  await world.run("publish opened --count 20 --wait");
  return () => world.close();
}, 60_000);

const named = { flow: "claims" };

describe("a flow that only the broker knows", () => {
  it.each([
    ["trace c-7", /claim c-7 CLOSED/],
    ["lag", /claims_assess_opened/],
    ["audit", /PASS {2}20 claims, each ended exactly once/],
    ["dlq list", /no dead letters/],
    ["flow show", /opened +→ claims_assess → assessed/],
    ["flow types", /verdict: "COVERED" \| "REFUSED";/],
    ["flow show --asyncapi", /CLAIMS\.opened\.\{claimId\}/],
  ])("%s works without its module", async (words, shown) => {
    const ran = await world.run(words, named);
    expect(ran).toMatchObject({ exitCode: 0, stderr: "" });
    expect(ran.stdout).toMatch(shown);
  });

  it("is replayed into a file, and taken as a name of the environment", async () => {
    const file = join(await temporaryFolder(), "log.ndjson");
    const ran = await world.run(`replay CLAIMS --out ${file}`, named);
    expect(ran.exitCode).toBe(0);
    expect(await readFile(file, "utf8")).toMatch(/^{"claimId":"c-0".*CLAIMS\.assessed\.c-7/s);
    const env = { ORDERCTL_FLOW: "claims" };
    const lag = await runCommand(`lag --server ${world.broker.url}`, { env });
    expect(lag.stdout).toContain("claims_assess_opened");
  });

  it("is published by hand, as what it stores is known", async () => {
    const data = { claimId: "hand", policy: "p", amountMinor: 900, currency: "EUR" };
    const ran = await world.run(["publish", "opened", "--data", JSON.stringify(data), "--wait"], named);
    expect(ran.stdout).toContain("1 claim ended: 0 refused, 1 closed");
    const wrong = await world.run(["publish", "opened", "--data", '{"claimId":"b","amount":1}'], named);
    expect(wrong).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("has no field amount") });
  });

  it("is served by nobody, and checked by nobody, without its module", async () => {
    for (const words of ["serve all", "replay CLAIMS --service assess", "flow check"]) {
      const ran = await world.run(words, named);
      expect(ran.exitCode, words).toBe(2);
      expect(ran.stderr, words).toMatch(/--flow \.\/claims\.ts names (it|its module)/);
    }
  });

  it("is told of where another is asked for, and so is a broker that cannot be asked", async () => {
    const other = await world.run("lag", { flow: "bills" });
    expect(other.exitCode).toBe(2);
    expect(other.stderr).toMatch(
      /there is no flow bills\n.*the broker has claims; orders is the built-in flow/,
    );
    const dead = await runCommand("lag --flow claims --server nats://127.0.0.1:1");
    expect(dead.exitCode).toBe(3);
    expect(dead.stderr).toContain(
      "there is no flow claims here, and the broker cannot be asked: cannot connect",
    );
  });

  it("stores no JSON that its module would check", async () => {
    const module = join(await temporaryFolder(), "notes.mjs");
    const text = `import { defineFlow } from "orderctl";
const schema = { "~standard": { version: 1, vendor: "own", validate: (value) => ({ value }) } };
export default defineFlow({ name: "notes", key: "id", events: { written: { schema }, read: {} } })
  .service("show", { on: "written", emits: ["read"], handle: ({ key }, ctx) => ctx.emit("read", { id: key }) });
`;
    await writeFile(module, text);
    const served = await createServed(module);
    expect(await served.names()).toEqual(["claims", "notes"]);
    const ran = await world.run(["publish", "written", "--data", '{"id":"a"}'], { flow: "notes" });
    expect(ran).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("is checked by a schema") });
    const empty = await world.run("audit", { flow: "notes" });
    expect(empty.exitCode).toBe(0);
  });
});

/** Serves a second flow until it is kept. */
async function createServed(module: string) {
  const launched = launch(`serve all --flow ${module} --server ${world.broker.url}`);
  await until(() => launched.stdout().includes("\n"));
  await launched.stop();
  return { names: () => readFlowNames(world.connection) };
}

describe("flow check", () => {
  const check = async (module: string, words = "") =>
    world.run(`flow check ${words}`.trim(), { flow: module });

  it("passes what the broker keeps, and what goes on from it", async () => {
    const same = await check(await claimsWith());
    expect(same.exitCode).toBe(0);
    expect(same.stdout).toBe(
      `✓ claims loads: 4 kinds of events, 3 services\n✓ compared with the definition that ${world.broker.url} keeps\n`,
    );
    const more = await claimsWith({
      "claims.proto": [["string how = 2;", "string how = 2; string by = 3;"]],
    });
    expect((await check(more)).exitCode).toBe(0);
  });

  it("tells what breaks, where and why, and ends with 1", async () => {
    const module = await claimsWith(withoutPolicy);
    const ran = await check(module);
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toMatch(
      /✗ ClaimOpened has lost policy and does not reserve it, \S+claims\.proto:11: .*: reserved 2, "policy"\n/,
    );
    const [told] = (await check(module, "--json")).lines();
    expect(told).toMatchObject({
      kind: "flow-check",
      data: {
        flow: "claims",
        comparedWith: world.broker.url,
        notCompared: null,
        types: null,
        findings: [{ level: "breaks", where: expect.stringMatching(/claims\.proto:11$/) }],
      },
    });
    expect(await check(module, "--offline")).toMatchObject({ exitCode: 0 });
  });

  it("compares the file of types that stands beside the module", async () => {
    const module = await claimsWith();
    const file = module.replace(/claims\.ts$/, "claims.types.ts");
    await world.run(`flow types --out ${file}`, { flow: module });
    expect((await check(module)).stdout).toContain(`✓ ${file} is up to date`);
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replaceAll('"', "'").replace("key: ", "key :\n    "));
    expect((await check(module)).stdout).toContain(`✓ ${file} is up to date`);
    await writeFile(file, text.replace("payoutId: string", "payoutId: number"));
    expect(await check(module)).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining(`orderctl flow types --out ${file}`),
    });
  });

  it("gives advice that fails nobody", async () => {
    const module = await claimsWith({
      "claims.proto": [["VERDICT_UNSPECIFIED", "NONE"]],
    });
    const ran = await check(module, "--offline");
    expect(ran.exitCode).toBe(0);
    expect(ran.stdout).toMatch(/! Verdict has 0 for NONE, not for …_UNSPECIFIED, \S+claims\.proto:6: /);
  });

  it("fails where a broker that was named cannot be asked, and says so where none was", async () => {
    const module = await claimsWith();
    const config = resolveConfig({ server: "nats://127.0.0.1:1" }, {});
    const checking = { offline: false, signal: new AbortController().signal };
    const compiled = await loadFlow(module);
    await expect(checkFlow(compiled, { ...checking, config: async () => config })).rejects.toMatchObject({
      code: "unavailable",
    });
    const unnamed = await checkFlow(compiled, {
      ...checking,
      config: async () => ({ ...config, serverGiven: false }),
    });
    expect(unnamed).toMatchObject({ comparedWith: null, findings: [] });
    expect(checkText(unnamed, { colour: false, width: 80, unicode: true })).toContain(
      "- not compared with what a broker keeps: cannot connect to nats://127.0.0.1:1",
    );
  });

  it("is what `serve` keeps to, unless told otherwise", async () => {
    const module = await claimsWith(withoutPolicy);
    const ran = await world.run("serve assess", { flow: module });
    expect(ran.exitCode).toBe(2);
    expect(ran.stderr).toMatch(/ClaimOpened has lost policy/);
    expect(ran.stderr).toMatch(/--accept-breaking serves it nevertheless/);
  });
});
