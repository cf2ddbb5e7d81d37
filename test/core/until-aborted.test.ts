import { getEventListeners } from "node:events";
import { expect, it } from "vitest";
import { untilAborted } from "../../src/core/waiting.ts";

const never = new Promise<never>(() => {});

it("answers what the work comes to, or how it fails, and nothing once the signal aborts", async () => {
  const stop = new AbortController();
  expect(await untilAborted(Promise.resolve(1), stop.signal)).toBe(1);
  await expect(untilAborted(Promise.reject(new Error("no")), stop.signal)).rejects.toThrow("no");
  const waiting = untilAborted(never, stop.signal);
  stop.abort();
  expect(await waiting).toBeUndefined();
  expect(await untilAborted(never, stop.signal)).toBeUndefined();
});

it("lets the work end in the grace after the abort, and no longer", async () => {
  const late = new Promise((resolve) => setTimeout(resolve, 20, "late"));
  expect(await untilAborted(late, AbortSignal.abort(), 5000)).toBe("late");
  expect(await untilAborted(never, AbortSignal.abort(), 20)).toBeUndefined();
});

it("leaves nothing on the signal, however often something is waited for", async () => {
  const { signal } = new AbortController();
  for (let time = 0; time < 20; time += 1) await untilAborted(Promise.resolve(), signal);
  expect(getEventListeners(signal, "abort")).toEqual([]);
});
