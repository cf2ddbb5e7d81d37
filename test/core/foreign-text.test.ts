import { execFileSync } from "node:child_process";
import { assert, constantFrom, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { operand, printable, printableData, printableJson } from "../../src/core/foreign-text.ts";
import { wrapWords } from "../../src/terminal/plain-text.ts";

/** What a shell hands on for the words of `line`. */
const readByShell = (line: string) =>
  execFileSync("sh", ["-c", `printf '%s\\n' ${line}`], { encoding: "utf8" })
    .split("\n")
    .slice(0, -1);

describe("a name of others in a command to paste", () => {
  const nasty = string({
    unit: constantFrom(..."aZ9$(){}`'\"\\;&|<>*?[]~#! =-\t€", "$HOME", "$(touch x)"),
    minLength: 1,
    maxLength: 20,
  });

  it("is one word to a shell, whatever is in it", () => {
    void assert(
      property(nasty, (text) => {
        const word = operand(text);
        if (word === undefined) expect(printable(text)).not.toBe(text);
        else expect(readByShell(word.replace(/^-- /, ""))).toEqual([text]);
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ["MUG-1", "MUG-1"],
    ["$(touch$HOMEx)", "'$(touch$HOMEx)'"],
    ["it's", "'it'\\''s'"],
    ["--all", "-- --all"],
    ["a\u001b[31m", undefined],
    ["a\nb", undefined],
  ])("%j is %j", (text, word) => {
    expect(operand(text)).toBe(word);
  });
});

it("a word of others fills a few lines at most", () => {
  expect(wrapWords(`the stock of ${"k".repeat(3000)} cannot be read`, 80).join("\n").length).toBeLessThan(
    400,
  );
});

/** What a terminal obeys, hides, turns round or begins a line with, and half of a character. */
const acting = ["\u001b[2J", "\u009b2J", "\u0085", "\u2028", "\u202e", "\u200b", "\r\n", "\ud800"];

describe("data of others", () => {
  it("has nothing left in it that acts on a terminal, however deep, in names of fields as well", () => {
    const shown = acting.map((text) => ({
      [text]: [text, { deep: Object.assign(Object.create(null), { text }) }],
    }));
    expect(JSON.stringify(printableData(shown))).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]|\\[urnt]/u);
  });

  it("keeps all of a record whose names look alike then, and is itself where nothing is to be done", () => {
    expect(printableData({ "a\u0001": 1, "a\u0002": 2, "a?": 3 })).toEqual({ "a?": 1, "a??": 2, "a???": 3 });
    const harmless = { text: "größer 🚚", list: [1, null, { deep: true }] };
    expect(printableData(harmless)).toBe(harmless);
  });

  it.each(acting)("is escaped in JSON, and the same to whoever reads it: %j", (text) => {
    const json = printableJson(JSON.stringify({ [text]: text }));
    expect(json).toMatch(/^[ -~]+$/);
    expect(JSON.parse(json)).toEqual({ [text]: text });
  });
});
