import { expect, test } from "vitest";
import { medianRows, ratioTarget, target } from "../../../src/orders/bench/bench-report.ts";
import { figures } from "./sample-figures.ts";

const perSecond = (run: { perSecond: number }) => run.perSecond;
const atRates = (...rates: number[]) => rates.map((rate) => figures({ perSecond: rate }));

test("shows the median of the rounds, each figure by itself", () => {
  const runs = [figures({ perSecond: 3 }), figures({ perSecond: 1, p99Ms: 9 }), figures({ perSecond: 2 })];
  expect(medianRows({ bare: runs })).toEqual([{ way: "bare", ...figures({ perSecond: 2 }) }]);
});

test("shows the mean of the middle two where the rounds are even in number", () => {
  expect(medianRows({ bare: atRates(10, 40, 20, 30) })[0]?.perSecond).toBe(25);
});

test("calls unknown what was unknown in one round", () => {
  const runs = [figures(), figures({ brokerCpuUs: null }), figures()];
  expect(medianRows({ bare: runs })[0]?.brokerCpuUs).toBeNull();
});

test("compares within each round, so that a slow minute hits both sides", () => {
  const promised = { name: "n", bound: "at_least", limit: 0.9 } as const;
  const ratio = ratioTarget(promised, [atRates(95, 48, 190), atRates(100, 50, 200)], perSecond);
  expect(ratio).toMatchObject({ unit: "ratio", value: 0.95, lowest: 0.95, highest: 0.96, met: true });
});

test.each([
  { bound: "at_least", value: 0.9, met: true },
  { bound: "at_least", value: 0.89, met: false },
  { bound: "at_most", value: 0.9, met: true },
  { bound: "at_most", value: 0.91, met: false },
] as const)("$value against $bound 0.9 is met: $met", ({ bound, value, met }) => {
  expect(target({ name: "n", unit: "MB", bound, limit: 0.9 }, [value])).toMatchObject({ value, met });
});

test("meets no target with a figure that is unknown", () => {
  const promised = { name: "n", bound: "at_most", limit: 1.3 } as const;
  expect(ratioTarget(promised, [[figures()], []], perSecond).met).toBe(false);
});
