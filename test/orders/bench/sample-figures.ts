import type { Figures } from "../../../src/orders/bench/figures.ts";

/** A run's figures, plausible where the test does not care. */
export const figures = (own: Partial<Figures> = {}): Figures => ({
  perSecond: 10_000,
  p50Ms: 2.5,
  p99Ms: 12,
  p999Ms: 30,
  clientCpuUs: 12.25,
  brokerCpuUs: 20,
  maxRssMb: 100,
  ...own,
});
