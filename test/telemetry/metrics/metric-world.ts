import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { MetricLedger } from "../../../src/telemetry/metrics/metric-ledger.ts";
import { createMetricReaders } from "../../../src/telemetry/metrics/metric-readers.ts";
import type { Scrape } from "../../../src/telemetry/metrics/metric-scrape.ts";
import { createMetrics, type Metrics } from "../../../src/telemetry/metrics/metrics.ts";

export type MetricWorld = {
  metrics: Metrics;
  scrape: Scrape;
  /** What a scrape shows now: each series as Prometheus writes it, with its value. */
  samples(): Promise<Map<string, number>>;
  provider: MeterProvider;
};

/** The metrics of a program, with a reader that is scraped. */
export function openMetricWorld(): MetricWorld {
  const producer = new MetricLedger();
  const { readers, scrape } = createMetricReaders({ env: {}, producer, prometheus: true, otlp: false });
  const provider = new MeterProvider({ readers });
  if (!scrape) throw new Error("there is nothing to scrape");
  const samples = async () => parseSamples((await scrape()).text);
  return { metrics: createMetrics(producer), scrape, samples, provider };
}

export function parseSamples(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const split = lines.map((line) => /^(.*) (\S+)$/.exec(line) ?? []);
  const samples = new Map(split.map(([, series = "", value = ""]) => [series, Number(value)]));
  if (samples.size !== lines.length) throw new Error("a series is there twice");
  return samples;
}

/** The values of one metric by the value of one of its labels. */
export function byLabel(samples: Map<string, number>, metric: string, label: string): Record<string, number> {
  const found = [...samples].filter(([series]) => series === metric || series.startsWith(`${metric}{`));
  return Object.fromEntries(
    found.map(([series, value]) => [new RegExp(`[{,]${label}="([^"]*)"`).exec(series)?.[1] ?? "", value]),
  );
}
