import type { Machine } from "./environment.ts";
import type { Figures } from "./figures.ts";

/** One way, with the median over all rounds of each figure; CPU is per message or order. */
export type BenchRow = Figures & { way: string };

/**
 * The target for a figure, and what was measured: its median over the rounds, its lowest and its highest value. A ratio
 * is computed within each round, between runs that took place one soon after the other.
 */
export type BenchTarget = {
  name: string;
  unit: "ratio" | "MB" | "spans";
  value: number;
  lowest: number;
  highest: number;
  bound: "at_least" | "at_most";
  limit: number;
  met: boolean;
};

export type BenchPart = {
  part: string;
  /** Settings that all ways of this part share. */
  settings: Record<string, number>;
  rows: BenchRow[];
  targets: BenchTarget[];
};

export type BenchReport = { machine: Machine; rounds: number; parts: BenchPart[] };

/** The figures of every round, by way; the ways are in the order in which they are shown. */
export type Rounds<W extends string> = Record<W, Figures[]>;

export function medianRows<W extends string>(rounds: Rounds<W>): BenchRow[] {
  return Object.entries<Figures[]>(rounds).map(([way, runs]) => ({
    way,
    perSecond: median(runs.map(({ perSecond }) => perSecond)),
    p50Ms: medianOrNull(runs.map(({ p50Ms }) => p50Ms)),
    p99Ms: medianOrNull(runs.map(({ p99Ms }) => p99Ms)),
    p999Ms: medianOrNull(runs.map(({ p999Ms }) => p999Ms)),
    clientCpuUs: median(runs.map(({ clientCpuUs }) => clientCpuUs)),
    brokerCpuUs: medianOrNull(runs.map(({ brokerCpuUs }) => brokerCpuUs)),
    maxRssMb: median(runs.map(({ maxRssMb }) => maxRssMb)),
  }));
}

type Promised = Pick<BenchTarget, "name" | "bound" | "limit">;
type Measure = (figures: Figures) => number;

/** The target for the ratio of `pick` of the first way to `pick` of the second. */
export function ratioTarget(
  promised: Promised,
  [over, under]: readonly [Figures[], Figures[]],
  pick: Measure,
): BenchTarget {
  const ratios = over.map(
    (figures, round) => pick(figures) / (under[round] ? pick(under[round]) : Number.NaN),
  );
  return target({ ...promised, unit: "ratio" }, ratios);
}

export function target(promised: Promised & Pick<BenchTarget, "unit">, values: number[]): BenchTarget {
  const value = median(values);
  const met = promised.bound === "at_least" ? value >= promised.limit : value <= promised.limit;
  return { ...promised, value, lowest: Math.min(...values), highest: Math.max(...values), met };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** `null` if the value is unknown in any round. */
const medianOrNull = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((value) => value !== null);
  return known.length === values.length ? median(known) : null;
};
