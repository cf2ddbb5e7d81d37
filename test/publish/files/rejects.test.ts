import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { Rejects } from "../../../src/publish/files/rejects.ts";

const rejectOf = (row: number) => ({ row, reason: `reason ${row}`, text: `text "${row}"` });
const rejects = Array.from({ length: 500 }, (_, index) => rejectOf(index + 1));

function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "orderctl-rejects-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return dir;
}

it("shows the first twenty, counts all and keeps every one in the file", async () => {
  const file = join(tempDir(), "rejects.ndjson");
  const collected = await Rejects.open(file);
  for (const reject of rejects) collected.add(reject);
  await collected.close();
  expect(collected.shown).toEqual(rejects.slice(0, 20));
  expect(collected.count).toBe(500);
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual(rejects);
});

it("counts without a file", async () => {
  const collected = await Rejects.open(undefined);
  for (const reject of rejects) collected.add(reject);
  await collected.close();
  expect(collected.count).toBe(500);
});

it("says output before anything is read where the file cannot be opened", async () => {
  await expect(Rejects.open(join(tempDir(), "missing", "rejects.ndjson"))).rejects.toMatchObject({
    code: "output",
    message: expect.stringMatching(/^cannot write the rejects: ENOENT/),
  });
});

it.runIf(process.platform === "linux")(
  "says output in the end where the file cannot be written",
  async () => {
    const collected = await Rejects.open("/dev/full");
    for (const reject of rejects) collected.add(reject);
    await expect(collected.close()).rejects.toMatchObject({
      code: "output",
      message: expect.stringMatching(/^cannot write the rejects: ENOSPC/),
    });
  },
);
