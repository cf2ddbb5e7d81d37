import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { table } from "../../src/terminal/table.ts";
import type { Style } from "../../src/terminal/terminal.ts";

const plain: Style = { colour: false, width: 60, unicode: true };
const columns = [{ title: "name" }, { title: "count", align: "right" }, { title: "note" }] as const;
const rows = [
  ["payment-processor", "7", "busy"],
  ["ship", "12,345", ""],
];

describe("table", () => {
  it("aligns its columns, as wide as their widest cell, and ends no line with blanks", () => {
    expect(table({ columns, rows }, plain)).toMatchInlineSnapshot(`
      "name                count  note
      payment-processor       7  busy
      ship               12,345"
    `);
  });

  it("gives way in the first column where the width does not suffice, and marks what is cut", () => {
    const text = table({ columns, rows }, { ...plain, width: 28 });
    expect(text).toMatchInlineSnapshot(`
      "name             count  note
      payment-proce~       7  busy
      ship            12,345"
    `);
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(28);
  });

  it("keeps the columns aligned where a cell is coloured", () => {
    const red = (text: string) => `\u001b[31m${text}\u001b[39m`;
    const style = { ...plain, colour: true };
    const marked = table({ columns, rows }, style, (cell, { row, column }) =>
      row === 0 && column === 1 ? red(cell) : cell,
    );
    expect(marked).toContain(red("     7"));
    const bare = stripVTControlCharacters(marked);
    expect(bare).toBe(table({ columns, rows }, plain));
  });

  it("shows the titles of a table without rows, the first at least twelve columns wide", () => {
    expect(table({ columns, rows: [] }, plain)).toBe("name          count  note");
  });
});
