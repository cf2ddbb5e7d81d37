import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { OrderctlError } from "../../src/core/errors.ts";
import { openLiveScreen } from "../../src/terminal/live-screen.tsx";
import { createTerminal } from "../../src/terminal/terminal.ts";
import { type Size, showTerminal } from "../support/show-terminal.ts";
import { until } from "../support/until.ts";

function open(size: Size) {
  const terminal = showTerminal(size);
  const screen = openLiveScreen(terminal);
  onTestFinished(() => screen.close());
  /** Waits for the terminal to show exactly this, and to go on showing it. */
  const shows = async (lines: string[]) => {
    await until(() => String(terminal.shown()) === String(lines), 2000).catch(() => {});
    await wait(100);
    expect(terminal.shown()).toEqual(lines);
  };
  return { ...terminal, screen, shows };
}

it("draws in place, whether there is more or less than before", async () => {
  const { screen, shows } = open({ rows: 24 });
  screen.draw("one");
  await shows(["one"]);
  screen.draw("two\n\n2");
  await shows(["two", "", "2"]);
  screen.draw("three");
  await shows(["three"]);
});

it("lets what is noted scroll by above, on stderr", async () => {
  const { screen, shows, said } = open({ rows: 24 });
  screen.note("before");
  screen.draw("a\nb");
  await shows(["before", "a", "b"]);
  screen.note("lost the broker");
  await shows(["before", "lost the broker", "a", "b"]);
  screen.draw("c");
  await shows(["before", "lost the broker", "c"]);
  expect(said()).toBe("before\nlost the broker\n");
});

it("draws only what fits, and says how much does not, also after the terminal was made lower", async () => {
  const { screen, shows, resize } = open({ rows: 4 });
  screen.draw("1\n2\n3\n4\n5");
  await shows(["1", "2", "3 more lines"]);
  resize({ rows: 3 });
  await shows(["1", "4 more lines"]);
});

it("leaves alone what was on the terminal before", async () => {
  const { screen, shows, written, stderr } = open({ rows: 2 });
  stderr.write("$ orderctl top\n");
  screen.draw("1\n2\n3");
  await shows(["$ orderctl top", "1", "2 more lines"]);
  screen.draw("1\n2\n4\n5");
  await shows(["$ orderctl top", "1", "3 more lines"]);
  expect(written()).not.toContain("\u001b[2J");
});

it("takes a terminal that says it has no rows and no columns for one of 24 rows", async () => {
  const { screen, shows, written } = open({ rows: 0, columns: 0 });
  const lines = Array.from({ length: 30 }, (_, line) => `${line} ${"x".repeat(200)}`);
  screen.draw(lines.join("\n"));
  await shows([...lines.slice(0, 22), "8 more lines"]);
  expect(written()).not.toContain("\u001b[2J");
});

it("cuts a line that is wider than the terminal, its colours aside, and wraps what is noted", async () => {
  const { screen, shows } = open({ rows: 24, columns: 10 });
  screen.draw("\u001b[33ma line of 20 columns\u001b[39m\n\u001b[1mshort\u001b[22m");
  await shows(["a line of ", "short"]);
  screen.note("no broker there");
  await shows(["no broker ", "there", "a line of ", "short"]);
});

it("leaves nothing of what was drawn before the terminal was made narrower", async () => {
  const { screen, shows, resize } = open({ rows: 24, columns: 40 });
  screen.note("noted");
  screen.draw("\u001b[33mone row at 40 columns\u001b[39m\nthe next");
  await shows(["noted", "one row at 40 columns", "the next"]);
  resize({ columns: 10 });
  await shows(["noted", "one row at", "the next"]);
  resize({ columns: 30 });
  await shows(["noted", "one row at 40 columns", "the next"]);
});

it("hides the cursor while it is open, and leaves stdin alone", async () => {
  const { screen, isCursorShown, shows } = open({ rows: 24 });
  const listeners = process.stdin.eventNames();
  screen.draw("a");
  await shows(["a"]);
  expect(isCursorShown()).toBe(false);
  expect(process.stdin.eventNames()).toEqual(listeners);
});

it("once closed, keeps the last text, shows the cursor, draws no more and still notes", async () => {
  const { screen, stdout, isCursorShown, shows } = open({ rows: 24 });
  screen.draw("first");
  screen.draw("last");
  screen.close();
  await shows(["last"]);
  expect(isCursorShown()).toBe(true);
  expect(stdout.listenerCount("resize")).toBe(0);
  screen.draw("too late");
  screen.note("stopped");
  await shows(["last", "stopped"]);
});

it("of a terminal, is where its notes go, and has its errors below", async () => {
  const { stdout, stderr, shown } = showTerminal({ rows: 24 });
  const world = { env: {}, stdin: Readable.from([]), stdout, stderr, signal: new AbortController().signal };
  const terminal = createTerminal(world, { json: false });
  const screen = await terminal.openScreen();
  screen.draw("a\nb");
  terminal.note("lost the broker");
  screen.draw("c\nd");
  screen.close();
  terminal.fail(new OrderctlError("unavailable", "no broker"), undefined);
  await until(() => shown().length > 3);
  expect(shown()).toEqual(["lost the broker", "c", "d", "error: no broker"]);
});
