import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { MeterProvider, type MetricData } from "@opentelemetry/sdk-metrics";
import { MetricLedger } from "../../src/telemetry/metrics/metric-ledger.ts";
import { createMetricReaders, startRuntimeMetrics } from "../../src/telemetry/metrics/metric-readers.ts";
import { createMetrics, type Metrics } from "../../src/telemetry/metrics/metrics.ts";
import { until } from "../support/until.ts";
import { countsOf } from "../telemetry/metrics/metric-world.ts";

export type ExportedMetric = {
  name: string;
  unit: string;
  /** Attributes that any of its series has, sorted. */
  attributes: string[];
  /** Its name in a scrape, without the suffixes of a histogram. */
  prometheusName: string;
};

export type Exported = {
  metrics: ExportedMetric[];
  /** Names of series as Prometheus stores them. */
  series: Set<string>;
  labels: Set<string>;
};

/** What the program exports once everything has happened that it measures. */
export async function readExported(): Promise<Exported> {
  const producer = new MetricLedger();
  const { readers, scrape } = createMetricReaders({ env: {}, producer, prometheus: true, otlp: false });
  const [reader] = readers;
  if (!scrape || !reader) throw new Error("there is nothing to scrape");
  const provider = new MeterProvider({ readers });
  const stop = startRuntimeMetrics(provider);
  measureEverything(createMetrics(producer));
  setFlagsFromString("--expose-gc");
  const collectGarbage: () => void = runInNewContext("gc");
  await until(async () => {
    collectGarbage();
    return /v8js_gc_duration/.test((await scrape()).text);
  });
  await until(async () => /nodejs_eventloop_delay_p99/.test((await scrape()).text));
  const { text } = await scrape();
  const { resourceMetrics } = await reader.collect();
  stop();
  const data = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const typed = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name);
  return {
    metrics: data.map((metric) => exportedMetric(metric, typed)),
    series: new Set(lines.map((line) => /^\w+/.exec(line)?.[0] ?? "")),
    labels: new Set(lines.flatMap((line) => [...line.matchAll(/(\w+)="/g)].map(([, label = ""]) => label))),
  };
}

function exportedMetric({ descriptor, dataPoints }: MetricData, typed: string[]): ExportedMetric {
  const { name, unit } = descriptor;
  const plain = name.replaceAll(".", "_");
  const shapes = new RegExp(`^${plain}(_seconds|_bytes|_ratio)?(_total)?$`);
  const attributes = new Set(dataPoints.flatMap((point) => Object.keys(point.attributes)));
  const prometheusName = typed.find((each) => shapes.test(each)) ?? "";
  return { name, unit, attributes: [...attributes].sort(), prometheusName };
}

function measureEverything(metrics: Metrics): void {
  const station = metrics.consumer({
    service: "payment",
    consumer: "payment-processor",
    template: "ORDERS.created.{order_id}",
  });
  station.received(1);
  for (const errorType of [undefined, "timeout"]) station.processed(1, errorType);
  station.settled("nak");
  const destination = metrics.destination({ service: "payment", template: "ORDERS.payments.{order_id}" });
  for (const duplicate of [false, true]) destination.stored(1, duplicate);
  destination.failed(1, "timeout");
  countsOf(metrics).gatewayCall({ operation: "charge", durationMs: 1, errorType: "unavailable" });
  countsOf(metrics).payment({ status: "DECLINED", reason: "card_expired" });
  countsOf(metrics).orderEnded("SHIPPED", 1);
  metrics.observeWorkers(() => ({
    "payment-processor": { processed: 1, failed: 0, inFlight: 1, duplicates: 0 },
  }));
  const consumer = { stream: "ORDERS", consumer: "payment-processor", oldestAgeMs: 1 };
  metrics.observeConsumers(async () => [{ ...consumer, pending: 1, ackPending: 1, redelivered: 0 }]);
  metrics.observeStreams(async () => ({
    streams: [{ stream: "ORDERS", messages: 1, bytes: 1 }],
    deadLetters: 0,
  }));
  const moved = { movedTo: 1, movedToUs: 1, segments: 1, bytes: 1, behind: 1, lagMs: 1 };
  const heldBack = { consumer: "payment-processor", forMs: 1 };
  metrics.observeArchive("ORDERS", () => ({ state: { ...moved, heldBack }, problems: 0 }));
  metrics.observeBreaker("gateway", () => "closed");
}
