import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { openTextScreen } from "../src/text-screen.ts";

/** What a terminal of that many rows shows: of the sequences only those that move up and erase are known. */
function openTerminal(rows: number) {
  const lines: string[] = [];
  const write = (chunk: Buffer) => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a terminal is told.
    for (const [, up, text] of String(chunk).matchAll(/\u001b\[(\d+)F\u001b\[0J|([^\n\u001b]*)\n/g)) {
      if (up === undefined) lines.push(text ?? "");
      else lines.splice(lines.length - Number(up));
    }
  };
  const stdout = Object.assign(new PassThrough(), { rows }).on("data", write);
  const stderr = new PassThrough().on("data", write);
  return { lines, screen: openTextScreen({ stdout, stderr }) };
}

it("draws in place, whether there is more or less than before", () => {
  const { lines, screen } = openTerminal(24);
  screen.draw("one");
  screen.draw("two\n2");
  screen.draw("three");
  expect(lines).toEqual(["three"]);
});

it("lets what is noted scroll by above", () => {
  const { lines, screen } = openTerminal(24);
  screen.note("before");
  screen.draw("a\nb");
  screen.note("lost the broker");
  screen.draw("c");
  expect(lines).toEqual(["before", "lost the broker", "c"]);
});

it("draws only what fits, and says how much does not", () => {
  const { lines, screen } = openTerminal(4);
  screen.draw("1\n2\n3\n4\n5");
  expect(lines).toEqual(["1", "2", "3 more lines"]);
});
