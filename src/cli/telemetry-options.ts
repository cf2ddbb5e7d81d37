import { type Command, Option } from "commander";
import type { Note } from "../core/note.ts";
import { readVersion } from "../core/version.ts";
import { startTelemetry, type Telemetry, wantsCollector } from "../telemetry/telemetry.ts";
import { findCollector } from "./collector-address.ts";
import type { Online } from "./command-action.ts";
import { port, positive } from "./options.ts";
import type { LogFlags } from "./service-log.ts";

export type TracingFlags = { tracesPerSecond: number };

export type MetricsFlags = LogFlags & { metricsPort?: number; metricsHost: string };

/** Adds the tracing flags, for commands that publish orders or process them. */
export const withTracingFlags = (command: Command): Command =>
  command
    .optionsGroup("Telemetry (the OTEL_* variables of OpenTelemetry count as well):")
    .addOption(
      new Option("--traces-per-second <n>", "new traces that are recorded (env OTEL_TRACES_SAMPLER wins)")
        .default(100)
        .argParser(positive),
    );

/** The option `--log-level`, whose value is checked when the log is opened. */
export const logLevelOption = (): Option =>
  new Option("--log-level <level>", "trace, debug, info, warn, error or silent (env ORDERCTL_LOG_LEVEL)");

/** Adds the flags for traces, metrics and the log, for commands that run until they are stopped. */
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
  /** The name of this process in traces and metrics. */
  service: string;
  instance: string;
  prometheus: boolean;
  /** The address of the collector that this process runs itself, if any. */
  collector?: string | undefined;
  /** Whether the process runs long enough to wait for a collector. */
  isPatient?: boolean;
};

/**
 * Starts the telemetry that the environment asks for. If that leaves open where spans go, they go to a collector that
 * is announced on the broker; if there is none yet, a process that runs for long looks again every 5 s.
 */
export async function openTelemetry(
  { env, connection, terminal }: Online,
  { tracesPerSecond }: TracingFlags,
  { service, instance, prometheus, collector: own, isPatient = false }: Wanted,
): Promise<Telemetry> {
  const identity = { service, instance, version: readVersion() };
  const settings = { ...identity, env, tracesPerSecond, note: terminal.note };
  const isWanted = own === undefined && wantsCollector(env);
  const collector = isWanted ? await findCollector(connection) : own;
  const telemetry = await startTelemetry({ ...settings, prometheus, collector });
  if (!isWanted || collector !== undefined || !isPatient) return telemetry;
  return joinLater(telemetry, {
    look: () => findCollector(connection),
    join: (found) => startTelemetry({ ...settings, prometheus: false, collector: found }),
    note: terminal.note,
  });
}

const lookAgainMs = 5000;

type Later = {
  look(): Promise<string | undefined>;
  join(collector: string): Promise<Telemetry>;
  note: Note;
};

/** Returns `telemetry`, to which tracing is added once there is a collector. */
function joinLater(telemetry: Telemetry, { look, join, note }: Later): Telemetry {
  let joined: Telemetry | undefined;
  const live: Telemetry = {
    ...telemetry,
    async stop(deadlineMs) {
      clearInterval(timer);
      await Promise.all([telemetry.stop(deadlineMs), joined?.stop(deadlineMs)]);
    },
  };
  const timer = setInterval(async () => {
    const collector = await look();
    if (collector === undefined || joined) return;
    clearInterval(timer);
    joined = await join(collector);
    live.tracing = joined.tracing;
    note(`a collector is there: spans to ${collector}`, {}, "info");
  }, lookAgainMs).unref();
  return live;
}
