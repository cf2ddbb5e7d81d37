import fc from "fast-check";
import { expect, it } from "vitest";
import { planFeed } from "./feed-plan.ts";

const minute = { seed: 3, spanMs: 60_000, orders: 6000, burstsAtMs: [10_000, 45_000] };

it("publishes exactly as many orders as asked for, from seeds that no other batch has", () => {
  const any = fc.record({
    seed: fc.nat(1_000_000),
    spanMs: fc.integer({ min: 10_000, max: 3_600_000 }),
    orders: fc.integer({ min: 1000, max: 1_000_000 }),
    burstsAtMs: fc.array(fc.nat(10_000), { maxLength: 40 }),
  });
  fc.assert(
    fc.property(any, (options) => {
      const { steady, bursts } = planFeed(options);
      const all = [...steady, ...bursts];
      expect(all.reduce((sum, { count }) => sum + count, 0)).toBe(options.orders);
      expect(all.every(({ count, rate }) => count > 0 && rate > 0)).toBe(true);
      expect(new Set(all.map(({ seed }) => seed)).size).toBe(all.length);
      expect(bursts.map(({ atMs }) => atMs)).toEqual(options.burstsAtMs);
    }),
  );
});

it("makes it five times the rate during a burst", () => {
  const { steady, bursts } = planFeed(minute);
  expect(bursts).toEqual([
    { atMs: 10_000, count: 800, rate: 400, seed: 30_006 },
    { atMs: 45_000, count: 800, rate: 400, seed: 30_007 },
  ]);
  expect(steady.map(({ atMs }) => atMs)).toEqual([0, 10_000, 20_000, 30_000, 40_000, 50_000]);
  expect(new Set(steady.map(({ rate }) => rate))).toEqual(new Set([73]));
});
