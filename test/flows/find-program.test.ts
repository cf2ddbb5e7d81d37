import { chown, cp, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { FlowVariant } from "../../src/flow/define/flow-variant.ts";
import { findProgram } from "../../src/flows/find-program.ts";
import { orderProgram } from "../../src/orders/program.ts";
import type { OrderFlow } from "../../src/orders/replace-handler.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

let folder: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  await cp(join(import.meta.dirname, "../../fixtures/flows/claims"), join(folder, "claims"), {
    recursive: true,
  });
});

const find = async (
  words = "",
  { cwd = folder, env = {} }: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
) => {
  // Where nobody listens: what is not known here is known nowhere.
  const asked = { argv: words.split(" "), env: { NATS_URL: "nats://127.0.0.1:1", ...env }, cwd };
  const program = await findProgram(asked, async () => orderProgram);
  return program.flow.stream;
};

describe("the flow of a command line", () => {
  it("is the built-in one where nobody names another", async () => {
    expect(await find("lag")).toBe("ORDERS");
  });

  it.each([
    "--flow claims/claims.ts lag",
    "lag --flow=./claims/claims.ts",
  ])("is the module of %s", async (words) => {
    expect(await find(words)).toBe("CLAIMS");
  });

  it("is that of the environment, and of the configuration here or above", async () => {
    expect(await find("lag", { env: { ORDERCTL_FLOW: "./claims/claims.ts" } })).toBe("CLAIMS");
    await writeFile(join(folder, "orderctl.config.json"), '{ "flows": ["claims/claims.ts"] }');
    const below = join(folder, "a/b");
    await mkdir(below, { recursive: true });
    expect(await find("lag", { cwd: below })).toBe("CLAIMS");
    expect(await find("lag --flow claims", { cwd: below })).toBe("CLAIMS");
    expect(await find("lag --flow orders", { cwd: below })).toBe("ORDERS");
  });

  it("is the built-in one where a configuration says so, and where the environment says nothing", async () => {
    const config = { flows: ["claims/claims.ts"], flow: "orders" };
    await writeFile(join(folder, "orderctl.config.json"), JSON.stringify(config));
    expect(await find("lag", { env: { ORDERCTL_FLOW: "" } })).toBe("ORDERS");
    expect(await find("lag --flow claims")).toBe("CLAIMS");
  });

  it("is the built-in one with a handler replaced, under its own name, where a module exports that", async () => {
    const mailer =
      'import { orders } from "orderctl"; export default orders.replace("notification", { handle() {} });';
    await writeFile(join(folder, "mailer.mjs"), mailer);
    const config = { flows: ["./claims/claims.ts", "./mailer.mjs"] };
    await writeFile(join(folder, "orderctl.config.json"), JSON.stringify(config));
    const replaced = async (words: string) => {
      const variants: (FlowVariant | undefined)[] = [];
      await findProgram({ argv: words.split(" "), env: {}, cwd: folder }, async (variant) => {
        variants.push(variant);
        return orderProgram;
      });
      return variants.map((variant) => (variant as OrderFlow | undefined)?.notification !== undefined);
    };
    expect(await replaced("lag --flow ./mailer.mjs")).toEqual([true]);
    expect(await replaced("lag --flow orders")).toEqual([true]);
    expect(await replaced("lag --flow claims")).toEqual([]);
    await expect(find("lag")).rejects.toThrow(/has several flows: claims, orders$/);
    await writeFile(join(folder, "orderctl.config.json"), '{ "flows": ["./mailer.mjs"] }');
    expect(await replaced("lag")).toEqual([true]);
  });

  it.runIf(process.getuid?.() === 0)(
    "is not that of a configuration which another user has put there",
    async () => {
      const path = join(folder, "orderctl.config.json");
      await writeFile(path, '{ "flows": ["claims/claims.ts"] }');
      await chown(path, 1, 1);
      await expect(find("lag")).rejects.toThrow(
        /orderctl\.config\.json is another user's: its code is not run/,
      );
      expect(await find("lag --flow orders")).toBe("ORDERS");
    },
  );

  it("is named where a configuration has several", async () => {
    const jobs =
      'import { defineFlow } from "orderctl"; export default defineFlow({ name: "jobs", key: "id", events: { asked: {} } });';
    await writeFile(join(folder, "jobs.mjs"), jobs);
    await writeFile(
      join(folder, "orderctl.config.mjs"),
      'export default { flows: ["./jobs.mjs", "./claims/claims.ts"] };',
    );
    await expect(find("lag")).rejects.toMatchObject({
      code: "usage",
      message: expect.stringMatching(/has several flows: jobs, claims$/),
    });
    expect(await find("lag --flow jobs")).toBe("JOBS");
    await expect(find("lag --flow bills")).rejects.toThrow(
      "there is no flow bills here, and the broker cannot be asked: cannot connect to nats://127.0.0.1:1",
    );
    const cwd = join(folder, "below");
    await mkdir(cwd);
    await writeFile(
      join(cwd, "orderctl.config.json"),
      '{ "flows": ["../jobs.mjs", "../claims/claims.ts"], "flow": "claims" }',
    );
    expect(await find("lag", { cwd })).toBe("CLAIMS");
  });
});

describe("a flow that cannot be loaded is one line with file and place", () => {
  it.each<[string, string, RegExp]>([
    [
      "a module that throws",
      'import { defineFlow } from "orderctl";\nconst x = undefined as any;\nexport default x.y;\n',
      /bad\.ts:3: Cannot read properties of undefined/,
    ],
    ["a module with a syntax error", "export default {\n  name: ,\n};\n", /bad\.ts/],
    ["a module that imports what is not there", 'import "./nowhere.ts";\n', /nowhere/],
    ["a module without a flow", "export default 7;\n", /bad\.ts: it exports no flow$/],
    [
      "a flow without a handler",
      'import { defineFlow } from "orderctl";\nexport default defineFlow({ name: "jobs", key: "id", events: { a: {}, b: {} } } as any)\n  .service("work", { on: "a" } as any);\n',
      /bad\.ts:3: service work has no handler/,
    ],
    [
      "a flow without its proto file",
      'import { defineFlow } from "orderctl";\nexport default defineFlow({ name: "jobs", key: "id", proto: "./none.proto", events: { a: "t.A" } } as any);\n',
      /none\.proto/,
    ],
  ])("%s", async (_, text, why) => {
    await writeFile(join(folder, "bad.ts"), text);
    const rejected = { code: "usage", message: expect.stringMatching(why) };
    await expect(find("lag --flow ./bad.ts")).rejects.toMatchObject(rejected);
  });

  it("a file that is not there, a configuration that is none", async () => {
    await expect(find("lag --flow ./none.ts")).rejects.toThrow(/none\.ts: there is no such file/);
    await expect(find("lag --flow claims")).rejects.toThrow("there is no flow claims");
    await writeFile(join(folder, "orderctl.config.json"), '{ "flows": 7 }');
    await expect(find("lag")).rejects.toThrow(/orderctl\.config\.json: it is no configuration/);
  });
});

it("finds orderctl from a module in a folder without it", async () => {
  await symlink(join(folder, "claims"), join(folder, "linked"));
  expect(await find("lag --flow ./linked/claims.ts")).toBe("CLAIMS");
});
