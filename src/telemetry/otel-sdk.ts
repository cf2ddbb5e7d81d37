import {
  context,
  type DiagLogger,
  DiagLogLevel,
  diag,
  metrics,
  propagation,
  trace,
} from "@opentelemetry/api";
import { envDetector, hostDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { NodeSDK, type NodeSDKConfiguration } from "@opentelemetry/sdk-node";
import { ParentBasedSampler, StackContextManager } from "@opentelemetry/sdk-trace";
import { maskText } from "../core/mask-secrets.ts";
import type { Note } from "../core/note.ts";
import { MetricLedger } from "./metrics/metric-ledger.ts";
import { createMetricReaders, startRuntimeMetrics } from "./metrics/metric-readers.ts";
import { createMetrics } from "./metrics/metrics.ts";
import { protocolOf, sendsOtlp, type Telemetry, type TelemetryOptions, type Wanted } from "./telemetry.ts";
import { createTracing } from "./tracing/otel-tracing.ts";
import { RateLimitedSampler } from "./tracing/rate-limited-sampler.ts";
import { createSpanProcessor, isHttpProtocol } from "./tracing/span-exporter.ts";

const scope = "orderctl";

/**
 * Starts OpenTelemetry's NodeSDK with the wanted signals. It registers OpenTelemetry's process-wide APIs, which `stop`
 * disables again.
 */
export function startSdk(options: TelemetryOptions, wanted: Wanted): Telemetry {
  const { env, version, note } = options;
  const ledger = new MetricLedger();
  const { prometheus, otlpMetrics: otlp } = wanted;
  const { readers, scrape } = createMetricReaders({ env, producer: ledger, prometheus, otlp });
  const sdk = new NodeSDK({ ...settingsOf(options, wanted), metricReaders: readers });
  listenToSdk(env, note);
  sdk.start();
  const tracing = wanted.traces ? createTracing(trace.getTracer(scope, version)) : undefined;
  const measured = readers.length > 0 ? createMetrics(ledger) : undefined;
  const stopRuntimeMetrics = measured && startRuntimeMetrics(metrics.getMeterProvider());
  return {
    tracing,
    metrics: measured,
    spansTo: wanted.traces ? receiverOf(options) : null,
    scrape,
    async stop(deadlineMs) {
      stopRuntimeMetrics?.();
      await Promise.race([sdk.shutdown().catch(() => {}), afterMs(deadlineMs)]);
      for (const api of [trace, metrics, context, propagation, diag]) api.disable();
    },
  };
}

/**
 * Where spans go, without credentials: the endpoint in the environment, else the collector, else the name of the
 * exporter if that needs no endpoint.
 */
function receiverOf({ env, collector }: TelemetryOptions): string {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT || collector;
  return (endpoint && maskText(endpoint.replace(/\/\/[^/]*@/, "//"))) ?? env.OTEL_TRACES_EXPORTER ?? "otlp";
}

/**
 * A setting is left out if an `OTEL_*` variable asks for something else: NodeSDK then sets it up from the environment
 * itself.
 */
function settingsOf(options: TelemetryOptions, { traces }: Wanted): Partial<NodeSDKConfiguration> {
  const { env, service, instance, version, collector, tracesPerSecond, note } = options;
  const root = new RateLimitedSampler(tracesPerSecond);
  const url = collector === undefined ? undefined : `${collector}/v1/traces`;
  return {
    resource: resourceFromAttributes({
      "service.name": service,
      "service.namespace": scope,
      "service.version": version,
      "service.instance.id": instance,
    }),
    // The process detector would send the command line, and with it passwords.
    ...(env.OTEL_NODE_RESOURCE_DETECTORS ? {} : { resourceDetectors: [hostDetector, envDetector] }),
    ...(env.OTEL_TRACES_SAMPLER ? {} : { sampler: new ParentBasedSampler({ root }) }),
    ...(traces ? ownProcessor(env, url, note) : { spanProcessors: [] }),
    logRecordProcessors: [],
    // Contexts are passed explicitly. The default context manager would make Node 20 track every promise of the
    // process.
    contextManager: new StackContextManager(),
  };
}

function ownProcessor(
  env: NodeJS.ProcessEnv,
  url: string | undefined,
  note: Note,
): Partial<NodeSDKConfiguration> {
  const protocol = protocolOf(env);
  if (!isHttpProtocol(protocol) || !sendsOtlp(env)) return {};
  const named = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const destination = { protocol, url: named ? undefined : url };
  return { spanProcessors: [createSpanProcessor(env, destination, note)] };
}

/**
 * Sends the SDK's own diagnostics to stderr, and only if `OTEL_LOG_LEVEL` asks for them; stdout is only for results.
 */
function listenToSdk({ OTEL_LOG_LEVEL: asked }: NodeJS.ProcessEnv, note: Note): void {
  const level = DiagLogLevel[(asked?.trim().toUpperCase() || "NONE") as keyof typeof DiagLogLevel];
  const say = (...words: unknown[]) => note(`otel: ${words.map(String).join(" ")}`);
  const logger: DiagLogger = { error: say, warn: say, info: say, debug: say, verbose: say };
  diag.setLogger(logger, { logLevel: level ?? DiagLogLevel.INFO, suppressOverrideMessage: true });
}

const afterMs = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
