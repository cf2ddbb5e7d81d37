import { PassThrough, Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { OrderctlError } from "../../src/core/errors.ts";
import { createTerminal, type Style, type World } from "../../src/terminal/terminal.ts";

type Screen = { isTTY?: boolean; columns?: number };

function open(env: NodeJS.ProcessEnv = {}, screen: Screen = {}, json = false) {
  const stdout = Object.assign(new PassThrough(), screen);
  const stderr = Object.assign(new PassThrough(), screen);
  const world: World = {
    env,
    stdin: Readable.from([]),
    stdout,
    stderr,
    signal: new AbortController().signal,
  };
  const text = (stream: PassThrough) => String(stream.read() ?? "");
  return {
    terminal: createTerminal(world, { json }),
    out: () => text(stdout),
    err: () => text(stderr),
  };
}

const error = new OrderctlError("unavailable", "no broker");
const view = (data: { n: number }, style: Style) => `n is ${data.n}${style.colour ? " in colour" : ""}`;

it("writes results to stdout and all else to stderr", () => {
  const { terminal, out, err } = open();
  terminal.show("number", { n: 1 }, view);
  terminal.note("working");
  terminal.fail(error, "start one");
  expect(out()).toBe("n is 1\n");
  expect(err()).toBe("working\nerror: no broker\n  start one\n");
});

it("writes a result as one line of JSON, and an error too", () => {
  const { terminal, out, err } = open({}, {}, true);
  terminal.show("number", { n: 1, unknown: null, text: "a\nb" }, view);
  terminal.fail(error, "start one");
  expect(out()).toBe('{"kind":"number","version":1,"data":{"n":1,"unknown":null,"text":"a\\nb"}}\n');
  expect(JSON.parse(err())).toEqual({
    kind: "error",
    version: 1,
    data: { code: "unavailable", message: "no broker", hint: "start one", exitCode: 3 },
  });
});

describe("colour", () => {
  it.each<[string, { env: NodeJS.ProcessEnv; screen: Screen }, boolean]>([
    ["on a terminal", { env: {}, screen: { isTTY: true } }, true],
    ["not in a pipe", { env: {}, screen: {} }, false],
    ["not with NO_COLOR", { env: { NO_COLOR: "1" }, screen: { isTTY: true } }, false],
    ["with an empty NO_COLOR, which is none", { env: { NO_COLOR: "" }, screen: { isTTY: true } }, true],
    ["in a pipe with FORCE_COLOR", { env: { FORCE_COLOR: "1" }, screen: {} }, true],
    ["not with FORCE_COLOR=0", { env: { FORCE_COLOR: "0" }, screen: { isTTY: true } }, false],
    [
      "not with NO_COLOR, whatever FORCE_COLOR says",
      { env: { NO_COLOR: "1", FORCE_COLOR: "1" }, screen: {} },
      false,
    ],
    ["not on a dumb terminal", { env: { TERM: "dumb" }, screen: { isTTY: true } }, false],
  ])("is used %s", (_, { env, screen }, colour) => {
    const { terminal, out, err } = open(env, screen);
    expect(terminal.style().colour).toBe(colour);
    terminal.show("number", { n: 1 }, view);
    terminal.fail(error, "start one");
    expect(out().includes("in colour")).toBe(colour);
    expect(err().includes("\u001b[31m")).toBe(colour);
  });
});

describe("the width", () => {
  it.each<[NodeJS.ProcessEnv, Screen, number]>([
    [{}, { columns: 72 }, 72],
    [{ COLUMNS: "120" }, { columns: 72 }, 72],
    [{ COLUMNS: "120" }, {}, 120],
    // What is piped is cut nowhere.
    [{}, {}, Number.POSITIVE_INFINITY],
    [{ COLUMNS: "wide" }, {}, Number.POSITIVE_INFINITY],
    // Some pseudo-terminals say 0, and tables used to be cut down to nothing.
    [{}, { isTTY: true, columns: 0 }, 100],
  ])("with %j on %j is %s", (env, screen, width) => {
    expect(open(env, screen).terminal.style().width).toBe(width);
  });
});

describe("characters beyond ASCII", () => {
  it.runIf(process.platform !== "win32").each<[NodeJS.ProcessEnv, boolean]>([
    [{ LANG: "en_US.UTF-8" }, true],
    [{ LANG: "de_DE.utf8" }, true],
    [{ LANG: "C" }, false],
    [{}, false],
    [{ LANG: "en_US.UTF-8", LC_ALL: "C" }, false],
    [{ LANG: "C", LC_CTYPE: "C.UTF-8" }, true],
  ])("in the locale %j: %s", (env, unicode) => {
    expect(open(env).terminal.style().unicode).toBe(unicode);
  });
});

it("shows no progress where nobody is watching", async () => {
  const { terminal, out, err } = open();
  const progress = await terminal.progress();
  progress.update("half way");
  progress.end();
  expect(out() + err()).toBe("");
});

it("is live only on a terminal and without JSON", () => {
  expect(open({}, { isTTY: true }).terminal.live).toBe(true);
  expect(open({}, { isTTY: true }, true).terminal.live).toBe(false);
  expect(open().terminal.live).toBe(false);
});
