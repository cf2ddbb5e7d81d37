import { execFile } from "node:child_process";
import { appendFile, cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);
const project = join(import.meta.dirname, "../..");
const parts = ["bin", "generated", "proto", "src", "package.json", "tsconfig.json"];

let copy: string;
let broker: TestBroker;

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), "orderctl-copy-"));
  for (const part of parts) await cp(join(project, part), join(copy, part), { recursive: true });
  await symlink(join(project, "node_modules"), join(copy, "node_modules"));
  broker = await startTestBroker();
});

afterAll(async () => {
  await rm(copy, { recursive: true, force: true });
  await broker.stop();
});

const block = /^```\w+ (append|new|before|after) ([^\n:]+)(?::([^\n]*))?\n([\s\S]*?)^```$/gm;

/** Does what the blocks of the document say, each to the file that it names. */
async function follow(document: string): Promise<number> {
  const steps = [...document.matchAll(block)];
  for (const [, how, file = "", line = "", text = ""] of steps) {
    const path = join(copy, file);
    if (how === "append") await appendFile(path, `\n${text}`);
    else if (how === "new") await writeFile(path, text);
    else {
      const lines = (await readFile(path, "utf8")).split("\n");
      const at = lines.findIndex((each) => each.startsWith(line));
      expect(at, `${file} has a line that begins with ${JSON.stringify(line)}`).toBeGreaterThan(-1);
      lines.splice(how === "after" ? at + 1 : at, 0, ...text.replace(/\n$/, "").split("\n"));
      await writeFile(path, lines.join("\n"));
    }
  }
  return steps.length;
}

const orderctl = (words: string) =>
  run(process.execPath, ["bin/orderctl.js", ...words.split(" "), "--server", broker.url], { cwd: copy });

it("the service of docs/adding-a-service.md builds, works and is traced", async () => {
  const steps = await follow(await readFile(join(project, "docs/adding-a-service.md"), "utf8"));
  expect(steps).toBeGreaterThan(8);
  await run("npm", ["run", "build"], { cwd: copy });
  const serving = execFile(
    process.execPath,
    ["bin/orderctl.js", "serve", "all", "--http-port", "0", "--server", broker.url],
    {
      cwd: copy,
    },
  );
  const ended = new Promise((resolve) => serving.once("close", resolve));
  try {
    const published = await orderctl("publish order --count 20 --seed 3 --wait --json");
    expect(JSON.parse(published.stdout).data.endings).toMatchObject({ ended: 20 });
    const shipped = JSON.parse(
      (await orderctl("replay ORDERS --subject ORDERS.invoices.* --out -")).stdout.split("\n")[0] ?? "{}",
    );
    expect(shipped).toMatchObject({ kind: "invoices", number: `INV-${shipped.order_id}` });
    await until(async () => (await orderctl("audit --grace 1ms")).stdout.startsWith("PASS"));
    const { stdout } = await orderctl(`trace ${shipped.order_id}`);
    expect(stdout).toMatch(/^order \S+ SHIPPED in /);
    expect(stdout).toMatch(/invoice .*INVOICED INV-/);
    expect((await orderctl("lag")).stdout).toContain("invoicing-writer");
  } finally {
    serving.kill("SIGTERM");
    await ended;
  }
});
