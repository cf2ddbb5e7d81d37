import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { Rejects } from "../../src/pipeline/rejects.ts";

const rejectOf = (row: number) => ({ row, reason: `reason ${row}`, text: `text "${row}"` });
const rejects = Array.from({ length: 500 }, (_, index) => rejectOf(index + 1));

function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "orderctl-rejects-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return dir;
}

it("shows the first twenty, counts all and keeps every one in the file", async () => {
  const file = join(tempDir(), "rejects.ndjson");
  const collected = new Rejects(file);
  for (const reject of rejects) collected.add(reject);
  await collected.close();
  expect(collected.shown).toEqual(rejects.slice(0, 20));
  expect(collected.count).toBe(500);
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual(rejects);
});

it("counts without a file", async () => {
  const collected = new Rejects(undefined);
  for (const reject of rejects) collected.add(reject);
  await collected.close();
  expect(collected.count).toBe(500);
});

it("says usage where the file cannot be written, when ever that shows", async () => {
  const cannot = { code: "usage", message: expect.stringMatching(/^cannot write the rejects: ENOENT/) };
  const atOnce = new Rejects(join(tempDir(), "missing", "rejects.ndjson"));
  await expect(atOnce.close()).rejects.toMatchObject(cannot);
  const later = new Rejects(join(tempDir(), "missing", "rejects.ndjson"));
  for (const reject of rejects) later.add(reject);
  await new Promise((resolve) => setImmediate(resolve));
  await expect(later.close()).rejects.toMatchObject(cannot);
});
