import type { MeterProvider } from "@opentelemetry/api";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { RuntimeNodeInstrumentation } from "@opentelemetry/instrumentation-runtime-node";
import {
  type IMetricReader,
  type MetricProducer,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { positiveSetting } from "../positive-setting.ts";
import { type Scrape, ScrapeReader } from "./metric-scrape.ts";

type ReaderOptions = {
  env: NodeJS.ProcessEnv;
  /** What is exported beside the SDK's own instruments. */
  producer: MetricProducer;
  /** Whether somebody scrapes. */
  prometheus: boolean;
  /** Whether they are sent to where the environment says, as OTLP/HTTP with JSON. */
  otlp: boolean;
};

export type MetricReaders = {
  /** For NodeSDK. */
  readers: IMetricReader[];
  scrape: Scrape | undefined;
};

/** Endpoint, headers and timeout of OTLP come from the `OTEL_EXPORTER_OTLP_*` variables of the process. */
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
 * Measures Node itself: event loop delay and utilisation, garbage collection, heap. Costs 0.3 % of a core. Answers how
 * to stop it.
 */
export function startRuntimeMetrics(provider: MeterProvider): () => void {
  const runtime = new RuntimeNodeInstrumentation();
  runtime.setMeterProvider(provider);
  return () => runtime.disable();
}
