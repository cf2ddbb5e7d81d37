import { execFileSync } from "node:child_process";
import { assert, constantFrom, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { operand, printable } from "../src/foreign-text.ts";
import { wrapWords } from "../src/views/plain-text.ts";

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
