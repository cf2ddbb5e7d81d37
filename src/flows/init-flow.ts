import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { OrderctlError } from "../core/errors.ts";
import { isName } from "../flow/define/flow-services.ts";
import { capital } from "./flow-types.ts";

export type Init = { folder: string; name: string; payload: "proto" | "json" };

/**
 * Writes a flow to begin with, its test and its configuration, and adds to package.json what both need; returns the
 * files. Throws `usage` for a name that is none, and `conflict` where a file is there already: nothing is replaced.
 */
export async function initFlow({ folder, name, payload }: Init): Promise<string[]> {
  if (!isName(name))
    throw new OrderctlError("usage", `${JSON.stringify(name)} is no name: small letters, digits, '-'`);
  const files: Record<string, string> = {
    ...(payload === "proto" ? protoFiles(name) : jsonFiles(name)),
    [`${name}.test.ts`]: test(name),
    "orderctl.config.json": `${JSON.stringify({ flows: [`./${name}.ts`] }, undefined, 2)}\n`,
  };
  const there = Object.keys(files).find((file) => existsSync(join(folder, file)));
  if (there !== undefined)
    throw new OrderctlError("conflict", `${there} is there already`, {
      hint: "begin in a folder of its own",
    });
  await mkdir(folder, { recursive: true });
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
  await writeFile(join(folder, "package.json"), packageJson(folder));
  return [...Object.keys(files), "package.json"];
}

type PackageJson = { type?: string; scripts?: Record<string, string> };

/** The test runs on what orderctl itself brings: Node's own runner, and jiti, as Node 20 reads no TypeScript. */
function packageJson(folder: string): string {
  const path = join(folder, "package.json");
  const before: PackageJson = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { private: true };
  const { test: own } = before.scripts ?? {};
  const isOwn = own !== undefined && !own.includes("no test specified");
  const scripts = {
    ...before.scripts,
    ...(!isOwn && { test: "node --import jiti/register --test *.test.ts" }),
  };
  return `${JSON.stringify({ ...before, type: "module", scripts }, undefined, 2)}\n`;
}

const protoFiles = (name: string): Record<string, string> => ({
  [`${name}.proto`]: `syntax = "proto3";

package ${packageOf(name)}.v1;

enum Decision {
  DECISION_UNSPECIFIED = 0;
  APPROVED = 1;
  REFUSED = 2;
}

message Opened {
  string id = 1;
  int64 amount_minor = 2;
  string currency = 3;
}

message Decided {
  string id = 1;
  Decision decision = 2;
}

message Closed {
  string id = 1;
  string receipt = 2;
}
`,
  [`${name}.types.ts`]: `// Written by \`orderctl flow types\` from the flow's .proto files.

export type Opened = {
  id: string;
  amountMinor: number;
  currency: string;
};

export type Decided = {
  id: string;
  decision: "APPROVED" | "REFUSED";
};

export type Closed = {
  id: string;
  receipt: string;
};

export type ${capital(name)} = {
  key: "id";
  events: {
    opened: Opened;
    decided: Decided;
    closed: Closed;
  };
};
`,
  [`${name}.ts`]: `import { defineFlow, every, no } from "orderctl";
import type { ${capital(name)} } from "./${name}.types.ts";

export default defineFlow<${capital(name)}>({
  name: "${name}",
  key: "id",
  proto: "./${name}.proto",
  events: {
    opened: { type: "${packageOf(name)}.v1.Opened", sample },
    decided: { type: "${packageOf(name)}.v1.Decided", status: "decision", refusals: ["REFUSED"] },
    closed: "${packageOf(name)}.v1.Closed",
  },
${promises}})
${services}
${sample(name)}`,
});

const jsonFiles = (name: string): Record<string, string> => ({
  [`${name}.ts`]: `import { defineFlow, every, no } from "orderctl";

type ${capital(name)} = {
  key: "id";
  events: {
    opened: { id: string; amountMinor: number; currency: string };
    decided: { id: string; decision: "APPROVED" | "REFUSED" };
    closed: { id: string; receipt: string };
  };
};

export default defineFlow<${capital(name)}>({
  name: "${name}",
  key: "id",
  events: {
    // With a schema (zod, valibot, ArkType …) beside it, each event is checked: schema: z.object({ … })
    opened: { sample },
    decided: { status: "decision", statuses: ["APPROVED", "REFUSED"], refusals: ["REFUSED"] },
    closed: {},
  },
${promises}})
${services}
${sample(name)}`,
});

const promises = `  audit: [every("decided", "APPROVED").endsIn("closed").within("1h"), no("closed").without("decided", "APPROVED")],
`;

const services = `  .service("decide", {
    on: "opened",
    emits: ["decided"],
    effects: "none",
    handle: ({ data }, ctx) =>
      ctx.emit("decided", { decision: data.amountMinor <= 10_000 ? "APPROVED" : "REFUSED" }),
  })
  .service("close", {
    on: "decided",
    when: "APPROVED",
    emits: ["closed"],
    handle: async ({ key }, ctx) =>
      ctx.emit("closed", { receipt: await ctx.call("registry", (io) => register(key, io.idempotencyKey)) }),
  });
`;

const sample = (name: string): string => `function sample(index: number) {
  return { id: \`${name.replace(/s$/, "")}-\${index}\`, amountMinor: 100 * (index % 120), currency: "EUR" };
}

/** What another system would do: with the same key, it answers the same. */
async function register(id: string, idempotencyKey: string): Promise<string> {
  return \`R-\${id}-\${idempotencyKey.length}\`;
}
`;

const test = (name: string): string => `import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { runHandler, testFlow } from "orderctl/testing";
import flow from "./${name}.ts";

let test: Awaited<ReturnType<typeof start>>;
const start = () => testFlow(flow);

before(async () => {
  test = await start();
});

after(() => test.stop());

it("closes what is approved", async () => {
  const id = await test.publish({ id: "a", amountMinor: 500, currency: "EUR" });
  const events = await test.ended(id);
  assert.deepEqual(events.map(({ kind }) => kind), ["opened", "decided", "closed"]);
});

it("ends with a refusal of what is too much", async () => {
  const id = await test.publish({ id: "b", amountMinor: 10_001, currency: "EUR" });
  assert.equal((await test.ended(id)).at(-1)?.kind, "decided");
});

it("closes once, though it was killed between storing and acknowledging", async () => {
  test.killAfterStoring("close");
  const id = await test.publish({ id: "c", amountMinor: 500, currency: "EUR" });
  assert.equal((await test.ended(id)).length, 3);
});

it("decides by the amount, without a broker", async () => {
  const decided = await runHandler(flow, "decide", { kind: "opened", data: { id: "d", amountMinor: 1, currency: "EUR" } });
  assert.deepEqual(decided?.data, { id: "d", decision: "APPROVED" });
});
`;

/** Packages of protobuf have no `-`. */
const packageOf = (name: string): string => name.replaceAll("-", "_");
