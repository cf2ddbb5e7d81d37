import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import {
  createLog,
  type Log,
  type LogFields,
  type LogOptions,
  parseLogLevel,
} from "../../src/terminal/log.ts";

type Written = { log: Log; text: () => string; lines: () => Record<string, unknown>[] };

async function openLog(options: Partial<LogOptions> = {}): Promise<Written> {
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text) };
  const log = await createLog({
    stream,
    level: "info",
    pretty: false,
    colour: false,
    fields: { service: "payment", instance: "vm-1" },
    ...options,
  });
  const text = () => written.join("");
  return {
    log,
    text,
    lines: () =>
      text()
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
  };
}

/** The clock's digits differ from run to run. */
const still = (text: string) => text.replace(/\d\d:\d\d:\d\d/g, "04:21:07");

describe("a log line for machines", () => {
  it("is one JSON object with time, level, text, ids and who says it", async () => {
    const { log, lines } = await openLog();
    log.warn("again later", { traceId: "0b7a", spanId: "5fb3", orderId: "A-1001", attempt: 2, reason: null });
    const [line] = lines();
    expect(line).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      level: "warn",
      service: "payment",
      instance: "vm-1",
      trace_id: "0b7a",
      span_id: "5fb3",
      order_id: "A-1001",
      attempt: 2,
      reason: null,
      msg: "again later",
    });
  });

  it("has each name once: the innermost counts, and the line's own cannot be taken", async () => {
    const { log, text, lines } = await openLog();
    const child = log.child({ service: "shipping", orderId: "A-1" }).child({ orderId: "A-2" });
    child.info("hello", { level: "fatal", time: 0, msg: "forged" });
    expect(lines()[0]).toMatchObject({ service: "shipping", order_id: "A-2", level: "info", msg: "hello" });
    for (const name of ["service", "order_id", "level", "time", "msg"]) {
      expect(text().split(`"${name}":`)).toHaveLength(2);
    }
  });

  it("leaves a % and line breaks in the text alone", async () => {
    const { log, lines } = await openLog();
    log.info('100 %s %d %o %%\n{"level":"fatal"}');
    expect(lines().map(({ msg }) => msg)).toEqual(['100 %s %d %o %%\n{"level":"fatal"}']);
  });

  it("is written only from the level on", async () => {
    const { log, lines } = await openLog({ level: "warn" });
    log.debug("a");
    log.info("b");
    log.warn("c");
    log.error("d");
    expect(lines().map(({ level, msg }) => `${level} ${msg}`)).toEqual(["warn c", "error d"]);
    const { log: silent, text } = await openLog({ level: "silent" });
    silent.error("e");
    expect(text()).toBe("");
  });
});

describe("a log line for people", () => {
  const tell = async (log: Log) => {
    log.info("serving payment");
    log.warn("again later", { orderId: "A-1001", reason: "connection reset", attempt: 2 });
    log.error("lost the broker");
    log.debug("pulled 40");
  };

  it("has a short time, the level as a word, the text and what it is about", async () => {
    const { log, text } = await openLog({ pretty: true, level: "debug" });
    await tell(log);
    expect(still(text())).toMatchInlineSnapshot(`
      "04:21:07 INFO  serving payment
      04:21:07 WARN  again later order_id=A-1001 reason="connection reset" attempt=2
      04:21:07 ERROR lost the broker
      04:21:07 DEBUG pulled 40
      "
    `);
  });

  it("says nothing by colour alone", async () => {
    const plain = await openLog({ pretty: true, level: "debug" });
    const coloured = await openLog({ pretty: true, level: "debug", colour: true });
    await tell(plain.log);
    await tell(coloured.log);
    expect(coloured.text()).toContain("\u001b[33mWARN \u001b[39m");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
    expect(still(coloured.text().replace(/\u001b\[\d+m/g, ""))).toBe(still(plain.text()));
  });

  it.each([
    "\n",
    "\r",
    "\r\n",
    "\u2028",
    "\u0085",
    "\u001b[2K\u001b[1A",
    "\b\b",
    "\u202e",
  ])("is one line, whatever text and fields hold: %j", async (evil) => {
    const { log, text } = await openLog({ pretty: true });
    log.info(`a${evil}04:21:07 ERROR forged`, { [`k${evil}`]: `v${evil}x order_id=B-2` } as LogFields);
    expect(text().split("\n")).toHaveLength(2);
    expect(text().trimEnd()).toMatch(/^[ -~]+$/);
    expect(text()).toMatch(/="[^"]*x order_id=B-2"\n$/);
  });
});

describe("a log", () => {
  it("outlives a stream that is closed or throws", async () => {
    const closed = new PassThrough();
    const { log } = await openLog({ stream: closed });
    closed.destroy(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    await new Promise((resolve) => closed.once("close", resolve));
    log.info("to nobody");
    await log.flush();
    const throwing = () => {
      throw new Error("write after end");
    };
    const { log: other } = await openLog({ stream: { write: throwing } });
    other.info("to nobody");
    other.info("still here");
  });

  it("has passed everything on when flush resolves, and does not wait for a reader that is gone", async () => {
    const slow = new PassThrough({ highWaterMark: 1 });
    const { log } = await openLog({ stream: slow });
    log.info("first");
    log.info("last");
    const read = once(slow, "data").then(() => slow.resume());
    await log.flush();
    await read;
    expect(slow.writableLength).toBe(0);
    const stuck = new PassThrough({ highWaterMark: 1 });
    const { log: other } = await openLog({ stream: stuck });
    for (let line = 0; line < 3; line++) other.info("unread");
    await other.flush();
    expect(stuck.writableLength).toBeGreaterThan(0);
  });

  it("loses nothing when its process exits once it is flushed, and does not mind that its reader left", async () => {
    const module = pathToFileURL(join(import.meta.dirname, "../../dist/terminal/log.js")).href;
    const script = `
      const { createLog } = await import(${JSON.stringify(module)});
      const options = { stream: process.stderr, level: "info", pretty: false, colour: false, fields: {} };
      const log = await createLog(options);
      for (let n = 0; n < 5000; n++) log.info("line " + n);
      await log.flush();
      process.exit(7);`;
    const run = (reads: boolean) => {
      const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
      let text = "";
      if (reads) child.stderr.on("data", (chunk) => (text += chunk));
      else child.stderr.destroy();
      return once(child, "close").then(([code]) => ({ code, text }));
    };
    const { code, text } = await run(true);
    expect(code).toBe(7);
    expect(text.trimEnd().split("\n")).toHaveLength(5000);
    expect(await run(false)).toEqual({ code: 7, text: "" });
  });

  it("knows its levels, and names them where another is asked for", () => {
    expect(parseLogLevel(" WARN ")).toBe("warn");
    expect(() => parseLogLevel("loud")).toThrow(
      expect.objectContaining({ code: "usage", hint: expect.stringContaining("trace, debug, info") }),
    );
  });
});
