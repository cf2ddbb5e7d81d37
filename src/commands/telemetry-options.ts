import { type Command, Option } from "commander";
import { findCollector } from "../collector/announce.ts";
import { startTelemetry, type Telemetry, wantsCollector } from "../telemetry/telemetry.ts";
import { readVersion } from "../version.ts";
import type { Online } from "./act.ts";
import { port, positive } from "./options.ts";
import type { LogFlags } from "./service-log.ts";

export type TracingFlags = { tracesPerSecond: number };

export type MetricsFlags = LogFlags & { metricsPort?: number; metricsHost: string };

/** For commands that put orders into the log or work on them. */
export const withTracingFlags = (command: Command): Command =>
  command
    .optionsGroup("Telemetry (the OTEL_* variables of OpenTelemetry count as well):")
    .addOption(
      new Option("--traces-per-second <n>", "new traces that are recorded (env OTEL_TRACES_SAMPLER wins)")
        .default(100)
        .argParser(positive),
    );

/** Read and checked when the log is opened. */
export const logLevelOption = (): Option =>
  new Option("--log-level <level>", "trace, debug, info, warn, error or silent (env ORDERCTL_LOG_LEVEL)");

/** For commands that run until they are stopped. */
export const withMetricsFlags = (command: Command): Command =>
  withTracingFlags(command)
    .option(
      "--metrics-port <port>",
      "serve /metrics (Prometheus), /healthz and /readyz; 0 takes a free port",
      port,
    )
    .option("--metrics-host <host>", "where to serve them", "127.0.0.1")
    .addOption(logLevelOption());

type Wanted = {
  /** How this process calls itself in traces and metrics. */
  service: string;
  instance: string;
  prometheus: boolean;
  /** Its own collector, where it runs one. */
  collector?: string | undefined;
};

/**
 * Telemetry as the environment asks for it. Where it names no exporter, spans go to the collector that this broker's
 * users run, if there is one.
 */
export async function openTelemetry(
  { env, connection, terminal }: Online,
  { tracesPerSecond }: TracingFlags,
  { service, instance, prometheus, collector }: Wanted,
): Promise<Telemetry> {
  return startTelemetry({
    env,
    service,
    instance,
    prometheus,
    tracesPerSecond,
    version: readVersion(),
    collector: collector ?? (wantsCollector(env) ? await findCollector(connection) : undefined),
    note: terminal.note,
  });
}
