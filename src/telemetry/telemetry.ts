import type { Note } from "../core/note.ts";
import type { Scrape } from "./metrics/metric-readers.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { Tracing } from "./tracing/tracing.ts";

/** The telemetry of a process; a part that is not wanted is undefined and costs nothing. */
export type Telemetry = {
  tracing: Tracing | undefined;
  metrics: Metrics | undefined;
  /** Where spans are sent, without credentials; `null` if none are sent. */
  spansTo: string | null;
  /** Answers a scrape with Prometheus text. */
  scrape: Scrape | undefined;
  /** Sends queued spans and metrics, for at most `deadlineMs`; never rejects. */
  stop(deadlineMs: number): Promise<void>;
};

export type TelemetryOptions = {
  env: NodeJS.ProcessEnv;
  /** `service.name`, unless the environment names one. */
  service: string;
  instance: string;
  version: string;
  /** Address of a collector, used if the environment names no endpoint. */
  collector: string | undefined;
  /** Root traces per second that are sampled, unless the environment names a sampler. */
  tracesPerSecond: number;
  /** Whether Prometheus will scrape the metrics. */
  prometheus: boolean;
  note: Note;
};

export const noTelemetry: Telemetry = {
  tracing: undefined,
  metrics: undefined,
  spansTo: null,
  scrape: undefined,
  stop: async () => {},
};

/**
 * Starts what the environment's `OTEL_*` variables and the options ask for; OpenTelemetry is loaded only if they ask
 * for anything. Without an endpoint or a collector, nothing is sent anywhere.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const { env, prometheus } = options;
  if (isDisabled(env)) return noTelemetry;
  const wanted = { traces: wantsTraces(options), otlpMetrics: wantsOtlpMetrics(env), prometheus };
  if (!wanted.traces && !wanted.otlpMetrics && !prometheus) return noTelemetry;
  const { startSdk } = await import("./otel-sdk.ts");
  return startSdk(options, wanted);
}

export type Wanted = { traces: boolean; otlpMetrics: boolean; prometheus: boolean };

/**
 * An empty variable counts as unset: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
function wantsTraces({ env, collector }: TelemetryOptions): boolean {
  if (!sendsOtlp(env)) return exporterOf(env) !== "none";
  return namesEndpoint(env) || collector !== undefined;
}

const exporterOf = (env: NodeJS.ProcessEnv): string => env.OTEL_TRACES_EXPORTER?.trim() || "otlp";

export const sendsOtlp = (env: NodeJS.ProcessEnv): boolean => exporterOf(env) === "otlp";

/** JSON unless the environment says otherwise: every OTLP/HTTP receiver accepts it. */
export const protocolOf = (env: NodeJS.ProcessEnv): string =>
  env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL || "http/json";

const namesEndpoint = (env: NodeJS.ProcessEnv): boolean =>
  Boolean(env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT);

function wantsOtlpMetrics(env: NodeJS.ProcessEnv): boolean {
  const exporters = env.OTEL_METRICS_EXPORTER?.split(",").map((name) => name.trim());
  if (exporters && exporters.join("") !== "") return exporters.includes("otlp");
  return Boolean(env.OTEL_EXPORTER_OTLP_METRICS_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT);
}

/**
 * Whether the environment leaves it to this program where spans go. False for gRPC, since a collector only speaks HTTP.
 */
export const leavesReceiverOpen = (env: NodeJS.ProcessEnv): boolean =>
  sendsOtlp(env) && !namesEndpoint(env) && protocolOf(env) !== "grpc";

/** Whether this process sends its spans to a collector if it finds one. */
export const wantsCollector = (env: NodeJS.ProcessEnv): boolean =>
  !isDisabled(env) && leavesReceiverOpen(env);

const isDisabled = (env: NodeJS.ProcessEnv): boolean =>
  env.OTEL_SDK_DISABLED?.trim().toLowerCase() === "true";
