import { defineFlow } from "orderctl";
import { runHandler, testFlow } from "orderctl/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import claims from "../../fixtures/flows/claims/claims.ts";

type Jobs = { key: "id"; events: { asked: { id: string; n: number }; done: { id: string; times: number } } };

const counts = new Map<string, number>();
const jobs = defineFlow<Jobs>({ name: "jobs", key: "id", events: { asked: {}, done: {} } })
  .deps(() => ({ limit: 3 }))
  .service("work", {
    on: "asked",
    emits: ["done"],
    handle: ({ key, data }, ctx) => {
      const times = (counts.get(key) ?? 0) + 1;
      counts.set(key, times);
      if (data.n > ctx.deps.limit) ctx.giveUp(`${data.n} is above ${ctx.deps.limit}`);
      if (data.n < 0 && times < 3) ctx.retryIn(10, "not yet");
      return ctx.emit("done", { times });
    },
  });

async function tested(options: Parameters<typeof testFlow<Jobs, { limit: number }>>[1] = {}) {
  const test = await testFlow(jobs, options);
  onTestFinished(() => test.stop());
  return test;
}

describe("a flow under test", () => {
  it("goes on a broker of its own to the end, and hands its handlers what the flow opens", async () => {
    const test = await tested();
    const key = await test.publish({ id: "a b", n: 1 });
    expect(await test.ended(key)).toEqual([
      { kind: "asked", key: "a b", data: { id: "a b", n: 1 } },
      { kind: "done", key: "a b", data: { id: "a b", times: 1 } },
    ]);
    expect(test.server).toMatch(/^nats:/);
  });

  it("takes what a test gives for it, and tells what was given up", async () => {
    const test = await tested({ deps: { limit: 0 } });
    const key = await test.publish({ id: "b", n: 1 });
    await expect(test.ended(key, 1500)).rejects.toThrow(
      "b has not ended: the log has asked of it; work gave up: 1 is above 0",
    );
    expect(await test.deadLetters()).toEqual([
      { service: "work", key: "b", reason: "unprocessable", detail: "1 is above 0" },
    ]);
  });

  it("is delivered again, and stored once, where it was killed between storing and acknowledging", async () => {
    const test = await tested();
    test.killAfterStoring("work");
    const key = await test.publish({ id: "c", n: 1 });
    await test.ended(key);
    await expect.poll(() => counts.get("c")).toBe(2);
    expect((await test.ended(key))[1]?.data).toEqual({ id: "c", times: 1 });
  });

  it("comes again when its handler asks for that, and that is no failure", async () => {
    const test = await tested();
    await test.ended(await test.publish({ id: "d", n: -1 }));
    expect((await test.events("d"))[1]?.data).toEqual({ id: "d", times: 3 });
    expect(await test.deadLetters()).toEqual([]);
  });
});

describe("a service that may emit one of several kinds", () => {
  it("goes on the way that it took, though it would take another when it is called again", async () => {
    type Ways = { key: "id"; events: { asked: { id: string }; left: { id: string }; right: { id: string } } };
    let times = 0;
    const ways = defineFlow<Ways>({
      name: "ways",
      key: "id",
      events: { asked: {}, left: {}, right: {} },
    }).service("turn", {
      on: "asked",
      emits: ["left", "right"],
      handle: (_, { emit }) => {
        times += 1;
        return emit(times === 1 ? "left" : "right", {});
      },
    });
    const test = await testFlow(ways);
    onTestFinished(() => test.stop());
    test.killAfterStoring("turn");
    const key = await test.publish({ id: "a" });
    await test.ended(key);
    // Its event is handed back, and settled once it was delivered again.
    await test.settled();
    expect((await test.events(key)).map(({ kind }) => kind)).toEqual(["asked", "left"]);
    expect(times).toBe(1);
  });
});

describe("a handler, without a broker", () => {
  it("is called with an event, and gives the one that it leads to", async () => {
    const opened = { claimId: "c-1", policy: "p", amountMinor: 900, currency: "EUR" };
    expect(await runHandler(claims, "assess", { kind: "opened", data: opened })).toEqual({
      kind: "assessed",
      key: "c-1",
      data: { claimId: "c-1", verdict: "COVERED", amountMinor: 900, currency: "EUR" },
    });
    expect(
      await runHandler(jobs, "work", { kind: "asked", data: { id: "x", n: 1 }, deps: { limit: 5 } }),
    ).toMatchObject({ kind: "done" });
  });

  it("is checked as the log would check it", async () => {
    const opened = { claimId: "c-1", policy: "p", amountMinor: 1.5, currency: "EUR" };
    await expect(runHandler(claims, "assess", { kind: "opened", data: opened })).rejects.toThrow(
      "amountMinor is 1.5, not an integer",
    );
    await expect(runHandler(claims, "nobody", { kind: "opened", data: opened })).rejects.toThrow(
      "service nobody does not work on opened",
    );
    await expect(
      runHandler(jobs, "work", { kind: "asked", data: { id: "y", n: 9 }, deps: { limit: 5 } }),
    ).rejects.toThrow("9 is above 5");
  });
});
