import { describe, expect, it } from "vitest";
import { OrderctlError } from "../../../src/core/errors.ts";
import { HandlerBreaker } from "../../../src/flow/define/service-breaker.ts";
import { RetryLater } from "../../../src/jetstream/consume/retry-later.ts";
import { until } from "../../support/until.ts";

function opened(openMs = 10_000) {
  const notes: string[] = [];
  const breaker = new HandlerBreaker("claims_payout", (text) => void notes.push(text), { openMs });
  const stop = new AbortController();
  const held: string[] = [];
  const watchHold = (name: string) => {
    held.push(name);
    return () => void held.pop();
  };
  const run = (sequence: number, error?: Error) =>
    breaker.run({ sequence, signal: stop.signal, watchHold }, async () => {
      if (error) throw error;
      return sequence;
    });
  const fail = (sequence: number, error = new Error("the bank is away")) =>
    run(sequence, error).catch(() => undefined);
  return { breaker, run, fail, notes, stop, held };
}

describe("the breaker of a service", () => {
  it("opens after six events have failed, and says why", async () => {
    const { breaker, fail, notes } = opened();
    for (const sequence of [1, 2, 3, 4, 5]) await fail(sequence);
    expect(breaker.state()).toBe("closed");
    await fail(6);
    expect(breaker.state()).toBe("open");
    expect(breaker.openForMs()).toBeGreaterThanOrEqual(0);
    expect(notes).toEqual([
      "claims_payout: open: 6 events failed in a row: the bank is away; the next one is tried in 10 s",
    ]);
  });

  it("stays closed for one event that fails again and again, and for some among others that succeed", async () => {
    const { breaker, run, fail } = opened();
    for (let n = 0; n < 50; n += 1) await fail(1);
    for (const sequence of [2, 3, 4, 5]) await fail(sequence);
    await run(9);
    for (const sequence of [11, 12, 13, 14, 15]) await fail(sequence);
    expect(breaker.state()).toBe("closed");
  });

  it.each<[string, Error]>([
    ["the message's own fault", new OrderctlError("unprocessable", "no", { source: "message" })],
    ["the broker's", new OrderctlError("timeout", "no", { source: "broker" })],
    ["asked for", new RetryLater(1, "later")],
    ["the end of the work", new OrderctlError("interrupted", "stop")],
  ])("does not count what is %s", async (_, error) => {
    const { breaker, fail } = opened();
    for (let sequence = 1; sequence < 20; sequence += 1) await fail(sequence, error);
    expect(breaker.state()).toBe("closed");
  });

  it("holds what comes while it is open, tries one at a time, and lets all go once one succeeds", async () => {
    const { breaker, run, fail, held } = opened(30);
    for (const sequence of [1, 2, 3, 4, 5, 6]) await fail(sequence);
    const done: string[] = [];
    const tried = run(7, new Error("still away")).catch(() => done.push("7 failed"));
    const waiting = [8, 9, 10].map((sequence) => run(sequence).then(() => done.push(`${sequence}`)));
    expect(held).toHaveLength(4);
    await tried;
    expect(done).toEqual(["7 failed"]);
    expect(breaker.state()).toBe("open");
    await Promise.all(waiting);
    expect(done).toEqual(["7 failed", "8", "9", "10"]);
    expect(breaker.state()).toBe("closed");
    expect(held).toEqual([]);
  });

  it("lets those that wait go when the work is to stop", async () => {
    const { run, fail, stop } = opened();
    for (const sequence of [1, 2, 3, 4, 5, 6]) await fail(sequence);
    const waiting = run(7);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: "interrupted" });
  });

  it("tries another one where the one that was tried turned out to be at fault itself", async () => {
    const { breaker, run, fail } = opened(10);
    for (const sequence of [1, 2, 3, 4, 5, 6]) await fail(sequence);
    const poison = run(7, new OrderctlError("unprocessable", "no", { source: "message" })).catch(
      () => "given up",
    );
    const next = run(8);
    expect(await poison).toBe("given up");
    expect(await next).toBe(8);
    await until(() => breaker.state() === "closed");
  });
});
