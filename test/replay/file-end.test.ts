import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { prepareEnd } from "../../src/replay/file.ts";

const dir = mkdtempSync(join(tmpdir(), "orderctl-file-end-"));
const file = join(dir, "orders.ndjson");
const fields = ["subject", "order_id"];
afterAll(() => rmSync(dir, { recursive: true }));

const order = (id: string) => `{"order_id":"${id}","customer_id":"c"}`;
const payment = '{"subject":"ORDERS.payments.a","sequence":2,"kind":"payments"}';

/** What becomes of a file that holds this. */
async function prepare(text: string | Buffer) {
  writeFileSync(file, text);
  const end = await prepareEnd(file, fields);
  const after = readFileSync(file, "utf8");
  expect(statSync(file).size).toBe(end.bytes);
  return { ...end, after };
}

describe("a file to which a replay is added", () => {
  it.each([
    ["whole", `${order("a")}\n${payment}\n`],
    ["empty", ""],
  ])("is left alone where it is %s", async (_, text) => {
    expect(await prepare(text)).toEqual({ bytes: text.length, after: text });
  });

  it.each([
    ["half a line", '{"order_id":"b","cust'],
    ["half a character", Buffer.from('{"order_id":"bé').subarray(0, -1)],
    ["the beginning of a line", "{"],
    ["what a power cut leaves", Buffer.alloc(20)],
  ])("loses %s at its end, and that is told", async (_, torn) => {
    const whole = `${order("a")}\n${payment}\n`;
    const { after, repair } = await prepare(Buffer.concat([Buffer.from(whole), Buffer.from(torn)]));
    expect(after).toBe(whole);
    expect(repair).toBe(`${file} ended in half a line: cut off its last ${torn.length} bytes`);
  });

  it("loses all where it never had a whole line", async () => {
    expect(await prepare('{"order_id":"a","customer')).toMatchObject({ bytes: 0, after: "" });
    expect(await prepare('{"ord')).toMatchObject({ bytes: 0, after: "" });
  });

  it("is given the line break that its last line lacks", async () => {
    const { after, unendedLine, repair } = await prepare(`${order("a")}\n${payment}`);
    expect(after).toBe(`${order("a")}\n${payment}\n`);
    expect(unendedLine).toBe(payment);
    expect(repair).toContain("had no line break");
    expect(await prepare(order("a"))).toMatchObject({ unendedLine: order("a") });
  });

  it("may have lines that are longer than one read", async () => {
    const long = order("x".repeat(300_000));
    const whole = `${order("a")}\n${long}\n`;
    expect(await prepare(`${whole}${long.slice(0, 200_000)}`)).toMatchObject({ after: whole });
  });

  it.each([
    ["a note", "buy milk\n"],
    ["a note without line break", "buy milk"],
    ["a table", "order,total\no-1,3.50\n"],
    ["a JSON array", `[${order("a")},\n${order("b")}]\n`],
    ["other JSON", '{"name":"x"}\n'],
  ])("is refused, and left alone, where it is %s", async (_, text) => {
    writeFileSync(file, text);
    await expect(prepareEnd(file, fields)).rejects.toMatchObject({
      code: "usage",
      message: `${file} is no file that a replay wrote: its end is no line of one`,
    });
    expect(readFileSync(file, "utf8")).toBe(text);
  });

  it("need not be there, nor have an end", async () => {
    expect(await prepareEnd(join(dir, "missing"), fields)).toEqual({ bytes: 0 });
    expect(await prepareEnd("/dev/null", fields)).toEqual({ bytes: 0 });
  });
});
