import type { Note } from "../core/note.ts";
import type { Scrape } from "./metrics/metric-readers.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { Tracing } from "./tracing/tracing.ts";

/** What a process reports of its work; a part that nobody asked for is undefined and costs nothing. */
export type Telemetry = {
  tracing: Tracing | undefined;
  metrics: Metrics | undefined;
  /** Where spans are sent, without credentials; `null` where none are. */
  spansTo: string | null;
  /** Answers a scrape with Prometheus text. */
  scrape: Scrape | undefined;
  /** Sends what is queued, for as long as `deadlineMs`; never rejects. */
  stop(deadlineMs: number): Promise<void>;
};

export type TelemetryOptions = {
  env: NodeJS.ProcessEnv;
  /** `service.name`, unless the environment names one. */
  service: string;
  instance: string;
  version: string;
  /** Where a collector was found; used where the environment names no exporter. */
  collector: string | undefined;
  /** Root traces per second that are sampled, unless the environment names a sampler. */
  tracesPerSecond: number;
  /** Whether somebody will scrape. */
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
 * Starts what the environment's `OTEL_*` variables and the options ask for; OpenTelemetry is loaded only then.
 * Without an endpoint, nothing is sent anywhere.
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

/** https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/: an empty variable is none. */
function wantsTraces({ env, collector }: TelemetryOptions): boolean {
  if (!sendsOtlp(env)) return exporterOf(env) !== "none";
  return namesEndpoint(env) || collector !== undefined;
}

const exporterOf = (env: NodeJS.ProcessEnv): string => env.OTEL_TRACES_EXPORTER?.trim() || "otlp";

export const sendsOtlp = (env: NodeJS.ProcessEnv): boolean => exporterOf(env) === "otlp";

/** JSON unless the environment says otherwise: every receiver of OTLP/HTTP takes it. */
export const protocolOf = (env: NodeJS.ProcessEnv): string =>
  env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL || "http/json";

const namesEndpoint = (env: NodeJS.ProcessEnv): boolean =>
  Boolean(env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT);

function wantsOtlpMetrics(env: NodeJS.ProcessEnv): boolean {
  const exporters = env.OTEL_METRICS_EXPORTER?.split(",").map((name) => name.trim());
  if (exporters && exporters.join("") !== "") return exporters.includes("otlp");
  return Boolean(env.OTEL_EXPORTER_OTLP_METRICS_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT);
}

/** Whether it is left to this program where spans go. A collector speaks HTTP only. */
export const leavesReceiverOpen = (env: NodeJS.ProcessEnv): boolean =>
  sendsOtlp(env) && !namesEndpoint(env) && protocolOf(env) !== "grpc";

/** Whether spans of this process would go to a collector, were there one. */
export const wantsCollector = (env: NodeJS.ProcessEnv): boolean =>
  !isDisabled(env) && leavesReceiverOpen(env);

const isDisabled = (env: NodeJS.ProcessEnv): boolean =>
  env.OTEL_SDK_DISABLED?.trim().toLowerCase() === "true";
