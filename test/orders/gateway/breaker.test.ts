import { setMaxListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { OrderctlError } from "../../../src/core/errors.ts";
import { Breaker, createBreakingGateway } from "../../../src/orders/gateway/breaker.ts";
import { createRetryingGateway } from "../../../src/orders/gateway/retrying-gateway.ts";
import { until } from "../../support/until.ts";

const outage = () => new OrderctlError("unavailable", "out of order");

/** A breaker around a provider that is out of order until it is told otherwise. */
function world({ failures = 2, openMs = 50 } = {}) {
  const notes: string[] = [];
  const note = (text: string, _fields = {}, level = "warn") => void notes.push(`${level} ${text}`);
  const breaker = new Breaker({ name: "PaymentService", failures, openMs, note });
  const provider = { works: false, calls: [] as string[], atOnce: 0, mostAtOnce: 0 };
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  const call = async (name: string) => {
    provider.calls.push(name);
    provider.atOnce += 1;
    provider.mostAtOnce = Math.max(provider.mostAtOnce, provider.atOnce);
    await new Promise((resolve) => setImmediate(resolve));
    provider.atOnce -= 1;
    if (!provider.works) throw outage();
    return name;
  };
  const run = (name: string, signal = controller.signal) => breaker.run(() => call(name), signal);
  return { breaker, provider, notes, run, controller };
}

/** Fails one after the other until the breaker is open; the last of them waits. */
async function open({ run, breaker }: ReturnType<typeof world>, failures = 2) {
  for (let failed = 0; failed < failures; failed += 1) await expect(run("early")).rejects.toThrow();
  const opener = wrap(run("opener"));
  await until(() => breaker.state() === "open");
  return opener;
}

describe("a breaker", () => {
  it("tells when a call waits for it, and when that is over, however it ends", async () => {
    const here = world({ failures: 0, openMs: 20 });
    const told: string[] = [];
    const watchHold = (name: string) => {
      told.push(`held by ${name}`);
      return () => void told.push("over");
    };
    const call = () => {
      told.push("called");
      return here.provider.works ? Promise.resolve("done") : Promise.reject(outage());
    };
    const working = here.breaker.run(call, here.controller.signal, watchHold);
    await until(() => told.length === 2);
    here.provider.works = true;
    expect(here.breaker.openForMs()).toBeGreaterThanOrEqual(0);
    expect(await working).toBe("done");
    expect(told).toEqual(["called", "held by PaymentService", "over", "called"]);
    expect(here.breaker.openForMs()).toBeNull();
    here.provider.works = false;
    const stopped = wrap(here.breaker.run(call, here.controller.signal, watchHold));
    await until(() => told.filter((each) => each.startsWith("held")).length === 2);
    here.controller.abort();
    await stopped.promise.catch(() => {});
    expect(told.at(-1)).toBe("over");
  });

  it("opens after more than the failures in a row that it is given, not before", async () => {
    const { run, breaker, provider, controller } = world({ failures: 2, openMs: 60_000 });
    for (const works of [false, false, true, false, false]) {
      provider.works = works;
      await run("call").catch(() => {});
    }
    expect(breaker.state()).toBe("closed");
    const waiting = run("call");
    await until(() => breaker.state() === "open");
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: "interrupted" });
  });

  it("calls nothing while it is open, then once at a time, the longest waiting first", async () => {
    const here = world();
    const waiting = [await open(here), wrap(here.run("a")), wrap(here.run("b")), wrap(here.run("c"))];
    const { calls } = here.provider;
    expect(calls).toEqual(["early", "early", "opener"]);
    here.provider.mostAtOnce = 0;
    // A failed probe goes to the end: another one may have better luck.
    await until(() => calls.length >= 8);
    expect(calls.slice(3, 8)).toEqual(["opener", "a", "b", "c", "opener"]);
    expect(here.provider.mostAtOnce).toBe(1);
    here.provider.works = true;
    expect(await Promise.all(waiting.map(({ promise }) => promise))).toEqual(["opener", "a", "b", "c"]);
    expect(here.breaker.state()).toBe("closed");
    expect(await here.run("late")).toBe("late");
  });

  it("says when it opens, goes on failing and closes", async () => {
    const here = world();
    const { promise } = await open(here);
    await until(() => here.notes.length > 1);
    here.provider.works = true;
    await promise;
    expect(here.notes.at(0)).toBe(
      "warn PaymentService: open after 3 failures in a row: out of order; probing in 0.1 s",
    );
    expect(here.notes.at(1)).toMatch(
      /^warn PaymentService: still failing after \S+ s: out of order; probing in 0.1 s$/,
    );
    expect(here.notes.at(-1)).toMatch(/^info PaymentService: closed again after \S+ s$/);
  });

  it("lets the next caller probe where nobody waits", async () => {
    const here = world();
    const { promise } = await open(here);
    here.controller.abort();
    await expect(promise).rejects.toMatchObject({ code: "interrupted" });
    await until(() => here.breaker.state() === "half-open");
    here.provider.works = true;
    expect(await here.run("next", new AbortController().signal)).toBe("next");
    expect(here.breaker.state()).toBe("closed");
  });

  it("stays open when its probe is given up, and lets the next one probe", async () => {
    const here = world();
    const controller = new AbortController();
    const { signal } = controller;
    const stuck = () =>
      new Promise<never>((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
        if (here.breaker.state() === "closed") reject(outage());
      });
    for (const failure of [1, 2]) await expect(here.run(`early ${failure}`)).rejects.toThrow();
    const probing = wrap(here.breaker.run(stuck, signal));
    await until(() => here.breaker.state() === "half-open");
    const next = wrap(here.run("next"));
    controller.abort();
    await expect(probing.promise).rejects.toMatchObject({ code: "interrupted" });
    expect(here.breaker.state()).toBe("open");
    expect(here.notes).toHaveLength(1);
    here.provider.works = true;
    expect(await next.promise).toBe("next");
  });

  it("takes an answer about one request for an answer: it neither opens it nor keeps it open", async () => {
    const here = world();
    const conflict = new OrderctlError("conflict", "another amount");
    const refused = () => here.breaker.run(() => Promise.reject(conflict), here.controller.signal);
    for (let calls = 0; calls < 5; calls += 1) await expect(refused()).rejects.toBe(conflict);
    expect(here.breaker.state()).toBe("closed");
    const { promise } = await open(here);
    here.controller.abort();
    await expect(promise).rejects.toMatchObject({ code: "interrupted" });
    const { signal } = new AbortController();
    await expect(here.breaker.run(() => Promise.reject(conflict), signal)).rejects.toBe(conflict);
    expect(here.breaker.state()).toBe("closed");
  });

  it("ends for whoever is given up, waiting or not", async () => {
    const here = world({ openMs: 60_000 });
    const { promise } = await open(here);
    const others = Array.from({ length: 50 }, (_, index) => here.run(`${index}`));
    here.controller.abort();
    const ends = await Promise.allSettled([promise, ...others, here.run("late")]);
    expect(ends.every(({ status }) => status === "rejected")).toBe(true);
    expect(here.provider.calls).toHaveLength(3);
  });
});

/** Keeps an await from waiting for what is still to come. */
const wrap = <T>(promise: Promise<T>): { promise: Promise<T> } => {
  promise.catch(() => {});
  return { promise };
};

it("counts the calls of one charge on through an outage", async () => {
  const { breaker, provider, controller } = world({ failures: 0, openMs: 20 });
  const attempts: number[] = [];
  const gateway = createRetryingGateway(
    {
      charge: async () => {
        if (attempts.length > 4) provider.works = true;
        if (!provider.works) throw outage();
        return { status: "APPROVED", chargeId: "ch_1" };
      },
      refund: () => Promise.reject(outage()),
    },
    { attempts: 2, backoffMs: 1 },
  );
  const request = {
    orderId: "o-1",
    total: { amountMinor: 1, currency: "GBP" },
    idempotencyKey: "o-1",
    signal: controller.signal,
    watch: (_operation: string, attempt: number) => {
      attempts.push(attempt);
      return { end: () => {} };
    },
  };
  expect(await createBreakingGateway(gateway, breaker).charge(request)).toMatchObject({ chargeId: "ch_1" });
  expect(attempts).toEqual([1, 2, 3, 4, 5]);
});
