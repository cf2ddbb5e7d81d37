import { type Attributes, type HrTime, ValueType } from "@opentelemetry/api";
import {
  AggregationTemporality,
  DataPointType,
  type GaugeMetricData,
  type HistogramMetricData,
  type MetricDescriptor,
  type SumMetricData,
} from "@opentelemetry/sdk-metrics";
import { type DurationCell, durationBounds } from "./metric-cells.ts";
import type { MetricSpec } from "./metric-specs.ts";

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
