import { PassThrough, Readable } from "node:stream";
import { expect, it } from "vitest";
import type { Online } from "../../src/cli/command-action.ts";
import { watch } from "../../src/cli/watch.ts";
import { OrderctlError } from "../../src/core/errors.ts";
import { createTerminal } from "../../src/terminal/terminal.ts";
import { showTerminal } from "../support/show-terminal.ts";
import { until } from "../support/until.ts";

const away = new OrderctlError("unavailable", "the broker is \u001b[2Jaway", { hint: "start one" });

type Sample = { n: number };

const clockOf = () => ({ aheadMs: 0, errorMs: 0 });

/** Watches what `script` tells, one after the other; it is stopped when all is told. */
function watching(script: (Sample | Error)[], stdout = new PassThrough()) {
  const stop = new AbortController();
  const stderr = new PassThrough();
  const world = { env: {}, stdin: Readable.from([]), stdout, stderr, signal: stop.signal };
  const terminal = createTerminal(world, { json: false });
  const left = [...script];
  const read = async () => {
    const next = left.shift();
    if (left.length === 0) stop.abort();
    if (next instanceof Error) throw next;
    return next ?? { n: 0 };
  };
  const connection = { isConnected: () => true };
  const online = { terminal, signal: stop.signal, connection } as Online;
  const done = watch(online, { kind: "number", view: ({ n }) => `n is ${n}`, read, clockOf });
  const text = (stream: PassThrough) => String(stream.read() ?? "");
  return { done, out: () => text(stdout), err: () => text(stderr) };
}

const last = { n: 9 };

it("ends with what keeps it from the first sample", async () => {
  const { done, out } = watching([away, { n: 1 }, last]);
  await expect(done).rejects.toBe(away);
  expect(out()).toBe("");
});

it("goes on after a passing failure, which it notes once with what to do", async () => {
  const { done, out, err } = watching([{ n: 1 }, away, away, { n: 2 }, last]);
  await done;
  expect(out()).toBe("n is 1\n\nn is 2\n\n");
  expect(err()).toBe("the broker is ?[2Jaway\n  start one\n");
});

it("says above the last sample on a terminal since when it is old, and why", async () => {
  const { stdout, shown, written, isCursorShown } = showTerminal({ rows: 24 });
  const { done } = watching([{ n: 1 }, away, last], stdout);
  await done;
  await until(isCursorShown);
  expect(shown().join("\n")).toMatch(
    /^nothing new since \d\d:\d\d:\d\d, for [\d.]+ m?s: the broker is \?\[2Jaway\n {2}start one\n\nn is 1$/,
  );
  expect(written()).toContain("\u001b[2mn is 1\u001b[22m");
});

it("says that the broker is away as soon as the connection is, without an answer that is overdue", async () => {
  const stop = new AbortController();
  const stdout = Object.assign(new PassThrough(), { isTTY: true });
  const world = { env: {}, stdin: Readable.from([]), stdout, stderr: new PassThrough(), signal: stop.signal };
  const terminal = createTerminal(world, { json: false });
  let isConnected = true;
  const connection = { isConnected: () => isConnected };
  const online = { terminal, signal: stop.signal, connection } as Online;
  const first = Promise.resolve({ n: 1 });
  const samples = [first, new Promise<Sample>(() => {})];
  const read = () => samples.shift() ?? first;
  const done = watch(online, { kind: "number", view: ({ n }) => `n is ${n}`, read, clockOf });
  let shown = "";
  stdout.on("data", (chunk) => {
    shown += chunk;
  });
  await until(() => shown.includes("n is 1"));
  isConnected = false;
  await until(() => /nothing new since .*: the broker is away/.test(shown));
  stop.abort();
  await done;
});

it("ends with any other failure", async () => {
  const gone = new OrderctlError("not_found", "there is no such stream");
  await expect(watching([{ n: 1 }, gone, last]).done).rejects.toBe(gone);
});

it("was interrupted where it was stopped before the first sample", async () => {
  await expect(watching([last]).done).rejects.toMatchObject({ code: "interrupted" });
});
