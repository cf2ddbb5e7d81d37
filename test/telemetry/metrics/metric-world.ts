import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { createOrderCounters } from "../../../src/orders/metrics.ts";
import { MetricLedger } from "../../../src/telemetry/metrics/metric-ledger.ts";
import { createMetricReaders, type Scrape } from "../../../src/telemetry/metrics/metric-readers.ts";
import { createMetrics, type Metrics } from "../../../src/telemetry/metrics/metrics.ts";
import { approved } from "../../support/handler-context.ts";

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

type OrderCounts = {
  payment(outcome: { status: "APPROVED" | "DECLINED"; reason: string }): void;
  orderEnded(type: "SHIPPED" | "DECLINED" | "REFUNDED", sinceMs: number | undefined): void;
  gatewayCall(call: { operation: string; durationMs: number; errorType?: string }): void;
};

const counted = new WeakMap<Metrics, OrderCounts>();

/** What is counted of orders, for one program's metrics. */
export function countsOf(metrics: Metrics): OrderCounts {
  const known = counted.get(metrics);
  if (known) return known;
  const { stored, called } = createOrderCounters(metrics);
  const counts: OrderCounts = {
    payment: (outcome) => stored({ ...approved, ...outcome }, undefined),
    orderEnded: (type, sinceMs) =>
      stored({ kind: "notifications", orderId: "o-1", type, channel: "email" }, sinceMs),
    gatewayCall: ({ operation, durationMs, errorType }) => called(operation, durationMs, errorType),
  };
  counted.set(metrics, counts);
  return counts;
}
