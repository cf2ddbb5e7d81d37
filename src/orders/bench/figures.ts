/** The result of one run of one way. CPU is per message or order; latencies are `null` if none were taken. */
export type Figures = {
  perSecond: number;
  p50Ms: number | null;
  p99Ms: number | null;
  p999Ms: number | null;
  /** User and system time of the measured process. */
  clientCpuUs: number;
  /** The same for the broker's process; `null` if its CPU time cannot be read. */
  brokerCpuUs: number | null;
  /** The most memory that the measured process ever held, in 10^6 bytes. */
  maxRssMb: number;
};

type Percentiles = Pick<Figures, "p50Ms" | "p99Ms" | "p999Ms">;

export const noPercentiles: Percentiles = { p50Ms: null, p99Ms: null, p999Ms: null };

/** Sorts `latenciesMs` in place. Each percentile is the sample at that rank; `null` without samples. */
export function percentilesOf(latenciesMs: Float64Array): Percentiles {
  latenciesMs.sort();
  const at = (share: number) => latenciesMs[Math.floor(latenciesMs.length * share)] ?? null;
  return { p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999) };
}
