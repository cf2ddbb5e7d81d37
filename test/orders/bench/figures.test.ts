import { expect, test } from "vitest";
import { percentilesOf } from "../../../src/orders/bench/figures.ts";

test("takes percentiles by rank, from samples in any order", () => {
  const thousandDown = Float64Array.from({ length: 1000 }, (_, index) => 1000 - index);
  expect(percentilesOf(thousandDown)).toEqual({ p50Ms: 501, p99Ms: 991, p999Ms: 1000 });
});

test("knows no percentiles without samples", () => {
  expect(percentilesOf(new Float64Array())).toEqual({ p50Ms: null, p99Ms: null, p999Ms: null });
});
