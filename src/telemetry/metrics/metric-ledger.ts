import { type Attributes, type HrTime, ValueType } from "@opentelemetry/api";
import { emptyResource } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  type CollectionResult,
  DataPointType,
  type GaugeMetricData,
  type HistogramMetricData,
  type MetricDescriptor,
  type MetricProducer,
  type SumMetricData,
} from "@opentelemetry/sdk-metrics";
import type { MetricSpec } from "./metric-specs.ts";

/** What a gauge shows now. */
export type Observation = Measured<number> & { spec: MetricSpec };

export type Observe = () => readonly Observation[] | Promise<readonly Observation[]>;

/**
 * Holds the numbers between two exports and hands them to OpenTelemetry's readers when they ask. A cell is looked up
 * once and then written to directly: 0.02 µs. The SDK's own instruments sort and serialise the attributes at every
 * record, once per reader: 2 µs with six attributes, and their gauges go on showing what is no longer observed.
 */
export class MetricLedger implements MetricProducer {
  readonly #startTime = timeOf(Date.now());
  readonly #counters = new Families(() => new CounterCell());
  readonly #durations = new Families(() => new DurationCell());
  readonly #observers: Observe[] = [];

  /** The one cell with these attributes, exported from now on, with 0 while nothing happened. */
  counter(spec: MetricSpec, attributes: Attributes): CounterCell {
    return this.#counters.cell(spec, attributes);
  }

  /** The one cell with these attributes, exported from now on. */
  duration(spec: MetricSpec, attributes: Attributes): DurationCell {
    return this.#durations.cell(spec, attributes);
  }

  /** `observe` is asked at every export. What it does not tell is not exported; nothing of it is when it fails. */
  observe(observe: Observe): void {
    this.#observers.push(observe);
  }

  async collect(): Promise<CollectionResult> {
    const told = await Promise.allSettled(this.#observers.map(async (observe) => observe()));
    const gauges = groupBySpec(told.flatMap((each) => (each.status === "fulfilled" ? each.value : [])));
    const period: Period = { startTime: this.#startTime, endTime: timeOf(Date.now()) };
    const metrics = [
      ...this.#counters.map((spec, cells) => sumData(spec, cells.map(countOf), period)),
      ...this.#durations.map((spec, cells) => histogramData(spec, cells, period)),
      ...[...gauges].map(([spec, observed]) => gaugeData(spec, observed, period)),
    ];
    const scopeMetrics = [{ scope: { name: "orderctl" }, metrics }];
    return { resourceMetrics: { resource: emptyResource(), scopeMetrics }, errors: [] };
  }
}

/** The cells of one kind of instrument, by metric and attributes. */
class Families<Cell> {
  readonly #make: () => Cell;
  readonly #families = new Map<MetricSpec, Map<string, Measured<Cell>>>();

  constructor(make: () => Cell) {
    this.#make = make;
  }

  cell(spec: MetricSpec, attributes: Attributes): Cell {
    const family = this.#families.get(spec) ?? new Map<string, Measured<Cell>>();
    this.#families.set(spec, family);
    const key = JSON.stringify(Object.entries(attributes).sort());
    const known = family.get(key) ?? { attributes, value: this.#make() };
    family.set(key, known);
    return known.value;
  }

  map<T>(each: (spec: MetricSpec, cells: Measured<Cell>[]) => T): T[] {
    return [...this.#families].map(([spec, family]) => each(spec, [...family.values()]));
  }
}

const countOf = ({ attributes, value }: Measured<CounterCell>): Measured<number> => ({
  attributes,
  value: value.count,
});

function groupBySpec(observations: readonly Observation[]): Map<MetricSpec, Observation[]> {
  const groups = new Map<MetricSpec, Observation[]>();
  for (const each of observations) groups.set(each.spec, [...(groups.get(each.spec) ?? []), each]);
  return groups;
}

const timeOf = (unixMs: number): HrTime => [Math.floor(unixMs / 1000), (unixMs % 1000) * 1e6];

/**
 * Upper bounds of a duration's buckets in seconds, inclusive: fine around 50 ms, the promise this pipeline makes
 * about its latency.
 */
export const durationBounds: readonly number[] = [
  0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.25,
  0.5, 1, 2.5, 5, 10,
];

/** Counts what happened since it was made. */
export class CounterCell {
  count = 0;

  add(): void {
    this.count += 1;
  }
}

/** Spread of durations since it was made. Hot path: 0.02 µs a record. */
export class DurationCell {
  readonly counts: number[] = [...durationBounds.map(() => 0), 0];
  count = 0;
  sumS = 0;

  /** Clocks of two machines may disagree: what is negative counts as 0; what is no number does not count. */
  record(durationMs: number): void {
    if (Number.isNaN(durationMs)) return;
    const seconds = Math.max(0, durationMs / 1000);
    this.count += 1;
    this.sumS += seconds;
    let bucket = 0;
    while (seconds > (durationBounds[bucket] ?? Number.POSITIVE_INFINITY)) bucket += 1;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
  }
}

/** A value with its attributes. */
export type Measured<Value> = { attributes: Attributes; value: Value };

export type Period = { startTime: HrTime; endTime: HrTime };

const aggregationTemporality = AggregationTemporality.CUMULATIVE;

export const sumData = (
  spec: MetricSpec,
  measured: readonly Measured<number>[],
  period: Period,
): SumMetricData => ({
  descriptor: descriptorOf(spec),
  aggregationTemporality,
  dataPointType: DataPointType.SUM,
  isMonotonic: true,
  dataPoints: measured.map((each) => ({ ...each, ...period })),
});

export const gaugeData = (
  spec: MetricSpec,
  measured: readonly Measured<number>[],
  period: Period,
): GaugeMetricData => ({
  descriptor: descriptorOf(spec),
  aggregationTemporality,
  dataPointType: DataPointType.GAUGE,
  dataPoints: measured.map((each) => ({ ...each, ...period })),
});

export const histogramData = (
  spec: MetricSpec,
  measured: readonly Measured<DurationCell>[],
  period: Period,
): HistogramMetricData => ({
  descriptor: descriptorOf(spec),
  aggregationTemporality,
  dataPointType: DataPointType.HISTOGRAM,
  dataPoints: measured.map(({ attributes, value: { counts, count, sumS } }) => ({
    attributes,
    ...period,
    value: { buckets: { boundaries: [...durationBounds], counts: [...counts] }, count, sum: sumS },
  })),
});

const descriptorOf = (spec: MetricSpec): MetricDescriptor => ({ ...spec, valueType: ValueType.DOUBLE });
