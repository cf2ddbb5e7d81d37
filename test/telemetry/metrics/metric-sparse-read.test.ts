import { describe, expect, it } from "vitest";
import { createSparseRead } from "../../../src/telemetry/metrics/metric-observers.ts";
import { until } from "../../support/until.ts";

const ages = 3_600_000;

describe("a sparse read", () => {
  it("is made once for all who ask within its time", async () => {
    let reads = 0;
    const read = createSparseRead(async () => ++reads, { everyMs: ages, patienceMs: 1000 });
    expect(await Promise.all([read(), read()])).toEqual([1, 1]);
    expect(await read()).toBe(1);
  });

  it("is made afresh when its time is over", async () => {
    let reads = 0;
    const read = createSparseRead(async () => ++reads, { everyMs: 20, patienceMs: 1000 });
    expect(await read()).toBe(1);
    await until(async () => (await read()) === 2);
  });

  it("is not waited for longer than a caller has patience, and never made twice at a time", async () => {
    let reads = 0;
    const read = createSparseRead(
      () => {
        reads += 1;
        return new Promise<never>(() => {});
      },
      { everyMs: 0, patienceMs: 30 },
    );
    const startedAt = performance.now();
    await expect(read()).rejects.toMatchObject({ code: "timeout" });
    await expect(read()).rejects.toMatchObject({ code: "timeout" });
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(reads).toBe(1);
  });

  it("is made the more rarely the longer it takes", async () => {
    let reads = 0;
    const slow = async () => {
      const startedAt = performance.now();
      reads += 1;
      await until(() => performance.now() - startedAt > 30);
      return performance.now();
    };
    const read = createSparseRead(slow, { everyMs: 0, patienceMs: 1000 });
    const firstEndedAt = await read();
    await until(async () => {
      await read();
      return reads === 2;
    });
    expect((await read()) - firstEndedAt).toBeGreaterThan(30 * 19);
  });

  it("tells each caller how it failed, and is tried again when its time is over", async () => {
    let isAway = true;
    const read = createSparseRead(async () => (isAway ? Promise.reject(new Error("away")) : "here"), {
      everyMs: 20,
      patienceMs: 1000,
    });
    await expect(read()).rejects.toThrow("away");
    isAway = false;
    await until(async () => (await read().catch(() => "")) === "here");
  });
});
