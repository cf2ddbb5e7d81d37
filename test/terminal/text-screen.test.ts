import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { openTextScreen } from "../../src/terminal/text-screen.ts";

type Size = { rows: number; columns?: number };

const control = String.fromCharCode(27);
const known = new RegExp(
  `${control}\\[(\\d+)F${control}\\[0J|${control}\\[\\?7([lh])|([^\\n${control}]*)\\n`,
  "g",
);

/** What a terminal of that size shows: of the sequences only those are known that move up and erase, and that end wrapping. */
function openTerminal({ rows, columns = 80 }: Size) {
  let lines: string[] = [];
  let isWrapping = true;
  const stdout = Object.assign(new PassThrough(), { rows, columns });
  const wrap = (line: string) => line.match(new RegExp(`.{1,${stdout.columns}}`, "g")) ?? [""];
  const show = (text: string) => lines.push(...(isWrapping ? wrap(text) : [text.slice(0, stdout.columns)]));
  const obey = (up: string | undefined, mode: string | undefined, text = "") => {
    if (up !== undefined) lines.splice(lines.length - Number(up));
    else if (mode !== undefined) isWrapping = mode === "h";
    else show(text);
  };
  const write = (chunk: Buffer) => {
    for (const [, up, mode, text] of String(chunk).matchAll(known)) obey(up, mode, text);
  };
  stdout.on("data", write);
  const stderr = new PassThrough().on("data", write);
  const narrow = (to: number) => {
    stdout.columns = to;
    lines = lines.flatMap(wrap);
  };
  return { shown: () => lines, screen: openTextScreen({ stdout, stderr }), narrow };
}

it("draws in place, whether there is more or less than before", () => {
  const { shown, screen } = openTerminal({ rows: 24 });
  screen.draw("one");
  screen.draw("two\n2");
  screen.draw("three");
  expect(shown()).toEqual(["three"]);
});

it("lets what is noted scroll by above", () => {
  const { shown, screen } = openTerminal({ rows: 24 });
  screen.note("before");
  screen.draw("a\nb");
  screen.note("lost the broker");
  screen.draw("c");
  expect(shown()).toEqual(["before", "lost the broker", "c"]);
});

it("draws only what fits, and says how much does not", () => {
  const { shown, screen } = openTerminal({ rows: 4 });
  screen.draw("1\n2\n3\n4\n5");
  expect(shown()).toEqual(["1", "2", "3 more lines"]);
});

it("takes a terminal that says it has no rows for one of 24", () => {
  const { shown, screen } = openTerminal({ rows: 0 });
  screen.draw(Array.from({ length: 20 }, (_, line) => `${line}`).join("\n"));
  expect(shown()).toHaveLength(20);
});

it("leaves nothing of a line that is wider than the terminal, and wraps what is noted", () => {
  const { shown, screen } = openTerminal({ rows: 24, columns: 10 });
  screen.draw("a line of 20 columns\nshort");
  screen.note("no broker there");
  screen.draw("last");
  expect(shown()).toEqual(["no broker ", "there", "last"]);
});

it("leaves nothing of what was drawn before the terminal was made narrower", () => {
  const { shown, screen, narrow } = openTerminal({ rows: 24, columns: 40 });
  screen.draw(`${control}[33mone row at 40 columns${control}[39m\nthe next`);
  narrow(10);
  screen.draw("last");
  expect(shown()).toEqual(["last"]);
});
