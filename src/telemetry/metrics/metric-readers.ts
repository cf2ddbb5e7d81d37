import type { MeterProvider } from "@opentelemetry/api";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { RuntimeNodeInstrumentation } from "@opentelemetry/instrumentation-runtime-node";
import {
  DataPointType,
  type IMetricReader,
  type MetricData,
  type MetricProducer,
  MetricReader,
  PeriodicExportingMetricReader,
  type ResourceMetrics,
} from "@opentelemetry/sdk-metrics";
import { positiveSetting } from "../positive-setting.ts";

type ReaderOptions = {
  env: NodeJS.ProcessEnv;
  /** Metrics that are exported in addition to those of the SDK's own instruments. */
  producer: MetricProducer;
  /** Whether Prometheus will scrape the metrics. */
  prometheus: boolean;
  /** Whether the metrics are sent, as OTLP/HTTP with JSON, to the endpoint in the environment. */
  otlp: boolean;
};

export type MetricReaders = {
  /** To be passed to NodeSDK. */
  readers: IMetricReader[];
  scrape: Scrape | undefined;
};

/**
 * Creates the wanted readers. Endpoint, headers and timeout of OTLP come from the `OTEL_EXPORTER_OTLP_*` variables of
 * the process.
 */
export function createMetricReaders({ env, producer, prometheus, otlp }: ReaderOptions): MetricReaders {
  const scraped = prometheus ? new ScrapeReader(producer) : undefined;
  const pushed = otlp ? createOtlpReader(env, producer) : undefined;
  return { readers: [scraped, pushed].filter((reader) => reader !== undefined), scrape: scraped?.scrape };
}

/** https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#periodic-exporting-metricreader */
function createOtlpReader(env: NodeJS.ProcessEnv, producer: MetricProducer): PeriodicExportingMetricReader {
  const exportIntervalMillis = positiveSetting(env.OTEL_METRIC_EXPORT_INTERVAL, 60_000);
  const timeout = positiveSetting(env.OTEL_METRIC_EXPORT_TIMEOUT, 30_000);
  return new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter(),
    exportIntervalMillis,
    exportTimeoutMillis: Math.min(timeout, exportIntervalMillis),
    metricProducers: [producer],
  });
}

/**
 * Measures Node itself: event loop delay and utilisation, garbage collection, heap. Costs 0.3 % of a core. Returns a
 * function that stops it.
 */
export function startRuntimeMetrics(provider: MeterProvider): () => void {
  const runtime = new RuntimeNodeInstrumentation();
  runtime.setMeterProvider(provider);
  return () => runtime.disable();
}

/** Answers one scrape. Metrics that cannot be observed are left out and do not make it reject. */
export type Scrape = () => Promise<{ contentType: string; text: string }>;

/** https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
const contentType = "text/plain; version=0.0.4; charset=utf-8";

/** Collects the metrics when `scrape` is called; opens no port of its own. */
export class ScrapeReader extends MetricReader {
  readonly #serializer = new PrometheusSerializer(undefined, false, undefined, false, true);

  constructor(producer: MetricProducer) {
    super({ metricProducers: [producer] });
  }

  readonly scrape: Scrape = async () => {
    const { resourceMetrics } = await this.collect({ timeoutMillis: 1000 });
    return { contentType, text: this.#serializer.serialize(withUnits(resourceMetrics)) };
  };

  protected override async onForceFlush(): Promise<void> {}

  protected override async onShutdown(): Promise<void> {}
}

/**
 * Adds the unit to each metric's name: the serializer leaves it out, while Prometheus itself adds it to metrics
 * received as OTLP.
 */
const withUnits = ({ resource, scopeMetrics }: ResourceMetrics): ResourceMetrics => ({
  resource,
  scopeMetrics: scopeMetrics.map(({ scope, metrics }) => ({ scope, metrics: metrics.map(withUnit) })),
});

const suffixes: Readonly<Record<string, string>> = { s: "seconds", By: "bytes" };

/** https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#metric-metadata-1 */
function withUnit(metric: MetricData): MetricData {
  const { name, unit } = metric.descriptor;
  const isRatio = unit === "1" && metric.dataPointType === DataPointType.GAUGE;
  const suffix = isRatio ? "ratio" : suffixes[unit];
  if (suffix === undefined || name.endsWith(suffix)) return metric;
  return { ...metric, descriptor: { ...metric.descriptor, name: `${name}.${suffix}` } };
}
