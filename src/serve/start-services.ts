import { constants, setPriority } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import type { StartedArchive } from "../archive/start-archive.ts";
import type { Online } from "../cli/command-action.ts";
import { instanceOf, serviceName } from "../cli/identity.ts";
import type { AllowedHostFlags } from "../cli/options.ts";
import { clockNote } from "../cli/read-clock.ts";
import { type MetricsFlags, openTelemetry, type TracingFlags } from "../cli/telemetry-options.ts";
import { OrderctlError } from "../core/errors.ts";
import type { Listening } from "../core/listening.ts";
import type { Note } from "../core/note.ts";
import { readVersion } from "../core/version.ts";
import { archiveService } from "../flow/log-archive.ts";
import { observeLog } from "../flow/observe-log.ts";
import { announceProcess, type ProcessStatus } from "../flow/process-status.ts";
import { type RunningServices, runServices, type ServiceOptions } from "../flow/run-services.ts";
import { type ClockDifference, followBrokerClock } from "../jetstream/client/broker-clock.ts";
import { announceServices } from "../jetstream/client/services-api.ts";
import { openHealthServer } from "../telemetry/metrics/health-server.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import { observeArchive, tellArchive } from "./archive-state.ts";
import { foundServices } from "./found-services.ts";
import { type ServiceFlags, serviceOptions } from "./service-options.ts";
import { watchUnarchived } from "./unarchived.ts";

export type ServingFlags = ServiceFlags & TracingFlags & MetricsFlags;

export type Start = {
  names: readonly string[];
  flags: ServingFlags;
  /** The address of this process's own collector, which receives the spans unless the environment names another. */
  collector?: string | undefined;
};

/** The share of the stop deadline reserved for exporting the last spans. */
const telemetryShare = 0.2;

/**
 * Starts services together with spans, metrics and the metrics port. `stop` ends the services first and telemetry last,
 * so that the last deliveries are reported too.
 */
export async function startServices(
  online: Online,
  { names, flags, collector }: Start,
): Promise<RunningServices> {
  const instance = await instanceOf(online, flags);
  const telemetry = await openTelemetry(online, flags, {
    service: serviceName(names),
    instance,
    prometheus: flags.metricsPort !== undefined,
    collector,
    isPatient: true,
  });
  try {
    return await runWith(telemetry, online, { names, flags });
  } catch (thrown) {
    await telemetry.stop(0);
    throw thrown;
  }
}

async function runWith(telemetry: Telemetry, online: Online, start: Start): Promise<RunningServices> {
  const { names, flags } = start;
  const { connection, flow } = online;
  const work = { state: "starting" };
  // The metrics port opens before the services start: if it is taken, no service is left running.
  const health = await openHealth(telemetry, online, { flags, work });
  const clock = followBrokerClock(connection, flow.stream, tellClock(online));
  try {
    const { services, options } = await openAll(
      online,
      { names, flags },
      { telemetry, aheadUs: clock.aheadUs },
    );
    telemetry.metrics?.observeWorkers(services.counts);
    const { archive } = services;
    if (telemetry.metrics) observeLog(telemetry.metrics, online);
    if (telemetry.metrics && archive)
      observeArchive(telemetry.metrics, archive, { stream: flow.stream, aheadUs: clock.aheadUs });
    const unarchived = archive || !flow.isManaged ? undefined : watchUnarchived(online, options.note);
    work.state = "running";
    const serving = {
      ...services.serving,
      metricsUrl: telemetry.scrape && health ? health.url : null,
      spansTo: telemetry.spansTo,
    };
    const tell = () => (archive ? tellArchive(flow.stream, archive) : null);
    const running = { ...services, serving };
    const status = statusOf(running, options, tell);
    const announced = announce(online, running, () => status(work.state === "stopping"));
    return {
      ...running,
      async stop(deadlineMs) {
        work.state = "stopping";
        try {
          await services.stop(deadlineMs * (1 - telemetryShare));
        } finally {
          clock.stop();
          unarchived?.stop();
          announced.stop();
          await health?.stop(0);
          await telemetry.stop(deadlineMs * telemetryShare);
        }
      },
    };
  } catch (thrown) {
    clock.stop();
    await health?.stop(0);
    throw thrown;
  }
}

type Opening = { telemetry: Telemetry; aheadUs: () => number };

/** What the flow's handlers work with, opened once however often the broker has to be asked, and all that runs on it. */
async function openAll(online: Online, start: Start, { telemetry, aheadUs }: Opening) {
  const services = start.names.filter((name) => name !== archiveService);
  const options = { ...(await serviceOptions(online, start.flags, { telemetry, services })), aheadUs };
  try {
    const { connectTimeoutMs: patienceMs } = (await online.config()).connection;
    const patience = { patienceMs, note: options.note, signal: online.signal };
    const running = await whenAnswered(() => runAll(online, start, options), patience);
    const stop = async (deadlineMs: number) => {
      try {
        await running.stop(deadlineMs * (1 - closingShare));
      } finally {
        await closeParts(options, deadlineMs * closingShare);
      }
    };
    return { options, services: { ...running, stop } };
  } catch (thrown) {
    await closeParts(options, 0);
    throw thrown;
  }
}

/** The share of the time for stopping that is kept for closing what the handlers work with, where that is anything. */
const closingShare = 0.1;

/** What does not close in time is left: its process ends. */
async function closeParts(
  { parts, note }: Pick<ServiceOptions, "parts" | "note">,
  deadlineMs: number,
): Promise<void> {
  const closing = parts.close?.().catch((thrown) => {
    note(`what the services work with did not close: ${OrderctlError.from(thrown).message}`);
  });
  if (closing) await Promise.race([closing, wait(deadlineMs, undefined, { ref: false })]);
}

/** The flow's services, and the archiver where that is named. */
async function runAll(
  online: Online,
  { names, flags }: Start,
  options: ServiceOptions,
): Promise<RunningServices & { archive: StartedArchive | undefined }> {
  const ofFlow = names.filter((name) => name !== archiveService);
  const services = await runServices(online, ofFlow, options);
  if (ofFlow.length === names.length) return { ...services, archive: undefined };
  const { startArchive } = await import("../archive/start-archive.ts");
  const { env } = online;
  if (ofFlow.length === 0) giveWay();
  try {
    const archive = await startArchive(online, flags, { env, replicas: flags.replicas, note: options.note });
    return { ...services, archive, ...withArchive(services, names, archive) };
  } catch (thrown) {
    await services.stop(0);
    throw thrown;
  }
}

/**
 * Lets everybody else's work on this machine go first: the archiver has time, and would keep broker and services from
 * the processor while it writes a segment.
 */
function giveWay(): void {
  try {
    setPriority(constants.priority.PRIORITY_LOW);
  } catch {
    // Where the system refuses, the archiver works as it is.
  }
}

const withArchive = (
  { serving, problems, stop }: RunningServices,
  names: readonly string[],
  archive: StartedArchive,
): Pick<RunningServices, "serving" | "problems" | "stop"> => ({
  serving: { ...serving, services: [...names], archive: archive.store },
  problems: () => [
    ...problems(),
    ...archive.problems().map((problem) => ({ consumer: archiveService, ...problem })),
  ],
  async stop(deadlineMs) {
    await Promise.all([stop(deadlineMs), archive.stop(deadlineMs)]);
  },
});

/**
 * Notes once when this machine's clock begins to differ from the broker's. Nothing is noted when the broker does not
 * tell its time, which a service hardly needs.
 */
function tellClock({ terminal }: Online): (difference: ClockDifference) => void {
  let said = false;
  return (difference) => {
    const text = difference.aheadMs === null ? undefined : clockNote(difference);
    if (text !== undefined && !said) terminal.note(text);
    said = text !== undefined;
  };
}

/** Answers those who ask on the broker who is there: `orderctl status`, and clients of the NATS Services API. */
function announce(
  { connection, flow }: Online,
  running: RunningServices,
  status: () => ProcessStatus,
): { stop(): void } {
  const process = announceProcess(connection, status);
  const services = announceServices(connection, foundServices(flow, running));
  return {
    stop() {
      process.stop();
      services.stop();
    },
  };
}

function statusOf(
  { serving, counts, problems }: RunningServices,
  { parts: { breakers = {} } }: ServiceOptions,
  archive: () => ProcessStatus["archive"],
): (stopping: boolean) => ProcessStatus {
  const { instance, services, url, metricsUrl, spansTo } = serving;
  const startedAt = new Date().toISOString();
  const startMs = performance.now();
  const version = readVersion();
  return (stopping) => ({
    ...{ instance, version, services, startedAt, stopping, ordersUrl: url, metricsUrl, spansTo },
    uptimeMs: Math.round(performance.now() - startMs),
    breakers: services.flatMap((service) => {
      const breaker = breakers[service];
      if (!breaker) return [];
      return { name: breaker.name, state: breaker.state(), service, openForMs: breaker.openForMs() };
    }),
    problems: problems(),
    archive: archive(),
    workers: Object.entries(counts()).map(([consumer, each]) => ({ consumer, ...each })),
  });
}

async function openHealth(
  { scrape }: Telemetry,
  { connection }: Online,
  { flags, work }: { flags: MetricsFlags & AllowedHostFlags; work: { state: string } },
): Promise<Listening | undefined> {
  const { metricsPort: port, metricsHost: host, allowHost: allowedHosts } = flags;
  if (port === undefined) return undefined;
  const isReady = () => {
    if (work.state !== "running") return { ready: false, reason: work.state };
    return connection.isConnected() ? { ready: true } : { ready: false, reason: "the broker is away" };
  };
  return openHealthServer({ host, port, allowedHosts, scrape, isReady });
}

type Patience = { patienceMs: number; note: Note; signal: AbortSignal };

/**
 * Calls `start` until it resolves, repeatedly for `patienceMs` while the broker does not answer: a broker that hangs or
 * restarts is waited for like one that is not up yet. Rejects with the signal's reason once that has aborted.
 */
export async function whenAnswered<T>(
  start: () => Promise<T>,
  { patienceMs, note, signal }: Patience,
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (thrown) {
      signal.throwIfAborted();
      if (!isSilence(thrown) || performance.now() > deadline) throw thrown;
      if (attempt === 1) note(`${thrown.message}; trying for ${patienceMs / 1000} s`);
    }
  }
}

/**
 * No answer, or a bare "unavailable" of the broker. An error that needs somebody's action has a hint and is not
 * retried.
 */
const isSilence = (thrown: unknown): thrown is OrderctlError =>
  thrown instanceof OrderctlError &&
  (thrown.code === "timeout" ||
    (thrown.code === "unavailable" && thrown.source === "broker" && thrown.hint === undefined));
