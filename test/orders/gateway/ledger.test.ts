import { spawn } from "node:child_process";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { expect, it, onTestFinished } from "vitest";
import { identify } from "../../../src/core/process-identity.ts";
import { Ledger, type LedgerEntry } from "../../../src/orders/gateway/simulator/ledger.ts";
import { temporaryFile } from "./test-simulator.ts";

const entry = (key: string, operation: LedgerEntry["operation"] = "charge"): LedgerEntry => ({
  operation,
  idempotency_key: key,
  status: "approved",
  amount_minor: 1999,
  currency: "GBP",
  order_id: `${key} ü`,
  booked_at: "2026-11-21T05:38:28.976Z",
});

async function openLedger(path: string): Promise<{ ledger: Ledger; notes: string[] }> {
  const notes: string[] = [];
  const ledger = await Ledger.open(path, (text) => void notes.push(text));
  return { ledger, notes };
}

it("has an entry in the file before it says so, and finds it after the next start", async () => {
  const path = await temporaryFile("ledger.ndjson");
  const { ledger } = await openLedger(path);
  const adding = ["a", "b", "c"].map((key) => ledger.add(entry(key)));
  await adding[0];
  expect(await readFile(path, "utf8")).toContain('"idempotency_key":"a"');
  await Promise.all(adding);
  await ledger.add(entry("a", "refund"));
  await ledger.close();
  const again = await openLedger(path);
  expect(again.ledger.size).toBe(4);
  expect(again.ledger.find("charge", "b")).toEqual(entry("b"));
  expect(again.ledger.find("refund", "b")).toBeUndefined();
  expect([...again.ledger.chunks("refund")].join("")).toBe(`${JSON.stringify(entry("a", "refund"))}\n`);
  expect(again.notes).toEqual([]);
  await again.ledger.close();
});

it.each([1, 20, 150])("drops a last line of which a crash has left %d bytes, and says so", async (bytes) => {
  const path = await temporaryFile("ledger.ndjson");
  const { ledger } = await openLedger(path);
  await ledger.add(entry("a"));
  await ledger.close();
  const whole = await readFile(path);
  await appendFile(path, Buffer.from(JSON.stringify(entry("b"))).subarray(0, bytes));
  const again = await openLedger(path);
  expect(again.notes).toEqual([`${path}: dropped the last ${bytes} bytes, which a crash has torn`]);
  expect(await readFile(path)).toEqual(whole);
  await again.ledger.add(entry("b"));
  await again.ledger.close();
  const third = await openLedger(path);
  expect(third.ledger.size).toBe(2);
  expect(third.notes).toEqual([]);
  await third.ledger.close();
});

it("drops half a character as well", async () => {
  const path = await temporaryFile("ledger.ndjson");
  const text = Buffer.from(`${JSON.stringify(entry("a"))}\n${JSON.stringify(entry("b"))}`);
  await writeFile(path, text.subarray(0, text.lastIndexOf("ü") + 1));
  const { ledger, notes } = await openLedger(path);
  expect(ledger.size).toBe(1);
  const torn = text.lastIndexOf("ü") - text.indexOf("\n");
  expect(notes).toEqual([`${path}: dropped the last ${torn} bytes, which a crash has torn`]);
  expect((await readFile(path)).at(-1)).toBe("\n".charCodeAt(0));
  await ledger.close();
});

it.each([
  ["is no entry of a ledger", "nonsense"],
  ["is a second entry for charge a", JSON.stringify(entry("a"))],
])("opens no file in which a line %s", async (reason, line) => {
  const path = await temporaryFile("ledger.ndjson");
  await writeFile(path, `${JSON.stringify(entry("a"))}\n${line}\n`);
  const opening = openLedger(path);
  await expect(opening).rejects.toMatchObject({
    code: "bad_message",
    message: expect.stringContaining(`line 2 ${reason}`),
  });
  await writeFile(path, "");
  await (await openLedger(path)).ledger.close();
});

it("is open in one process at a time; the lock of one that died is taken over", async () => {
  const path = await temporaryFile("ledger.ndjson");
  const other = spawn("sleep", ["60"]);
  onTestFinished(() => void other.kill());
  await writeFile(`${path}.lock`, JSON.stringify({ ...identify(Number(other.pid)), id: "other" }));
  await expect(openLedger(path)).rejects.toMatchObject({
    code: "conflict",
    message: `${path} is in use by process ${other.pid}`,
  });
  const died = new Promise((resolve) => other.once("exit", resolve));
  other.kill("SIGKILL");
  await died;
  await (await openLedger(path)).ledger.close();
});

it("takes no second entry for a key", async () => {
  const { ledger } = await openLedger(await temporaryFile("ledger.ndjson"));
  await ledger.add(entry("a"));
  expect(() => ledger.add(entry("a"))).toThrow("the ledger has an entry for charge a");
  await ledger.close();
});
