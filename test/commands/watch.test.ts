import { PassThrough, Readable } from "node:stream";
import { expect, it } from "vitest";
import type { Online } from "../../src/commands/act.ts";
import { watch } from "../../src/commands/watch.ts";
import { OrderctlError } from "../../src/errors.ts";
import { createTerminal } from "../../src/terminal.ts";

const away = new OrderctlError("unavailable", "the broker is \u001b[2Jaway", { hint: "start one" });

type Sample = { n: number };

/** Watches what `script` tells, one after the other; it is stopped when all is told. */
function watching(script: (Sample | Error)[], isTTY = false) {
  const stop = new AbortController();
  const stdout = Object.assign(new PassThrough(), { isTTY });
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
  const online = { terminal, signal: stop.signal } as Online;
  const done = watch(online, { kind: "number", view: ({ n }) => `n is ${n}`, read });
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

it("says below the last sample on a terminal why it is old", async () => {
  const { done, out } = watching([{ n: 1 }, away, last], true);
  await done;
  const frames = out().split("\u001b[0J");
  expect(frames.at(-1)).toMatch(
    /n is 1\n\nas of \d\d:\d\d:\d\d, Ctrl-C ends\nthe broker is \?\[2Jaway\n {2}start one\n/,
  );
});

it("ends with any other failure", async () => {
  const gone = new OrderctlError("not_found", "there is no such stream");
  await expect(watching([{ n: 1 }, gone, last]).done).rejects.toBe(gone);
});

it("was interrupted where it was stopped before the first sample", async () => {
  await expect(watching([last]).done).rejects.toMatchObject({ code: "interrupted" });
});
