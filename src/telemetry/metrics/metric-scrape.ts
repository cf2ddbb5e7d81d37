import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import {
  DataPointType,
  type MetricData,
  type MetricProducer,
  MetricReader,
  type ResourceMetrics,
} from "@opentelemetry/sdk-metrics";

/** Answers one scrape; never rejects for what could not be observed, that is left out. */
export type Scrape = () => Promise<{ contentType: string; text: string }>;

/** https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
const contentType = "text/plain; version=0.0.4; charset=utf-8";

/** Reads when it is scraped; has no port of its own. */
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

/** The serializer leaves units out of the names; Prometheus itself puts them there when it receives OTLP. */
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
