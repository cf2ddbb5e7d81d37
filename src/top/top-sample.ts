import { endingIn, endingsFilter } from "../flow/endings.ts";
import type { Flow, FlowLog } from "../flow/flow.ts";
import { buildLogArchive, type LogArchive } from "../flow/log-archive.ts";
import { createLogMeter } from "../flow/log-cost.ts";
import { countDeadLetters } from "../flow/observe-log.ts";
import { type ProcessStatus, readProcesses } from "../flow/process-status.ts";
import { readLag, type StreamLag } from "../jetstream/streams/lag.ts";
import { readLastSequence, type StoredMessage } from "../jetstream/streams/read-message.ts";
import { scanStream } from "../jetstream/streams/read-stream.ts";
import { withProcesses } from "../lag/service-lag.ts";
import { hopHeader, orderTimeOf } from "../telemetry/hop.ts";
import { type GoneProcess, GoneProcesses, withGone } from "./gone-processes.ts";

/** What a process did since the previous sample; the rates are `null` when it was not in that. */
export type ProcessRates = ProcessStatus & { processedPerS: number | null; failedPerS: number | null };

/**
 * How long the recently ended orders took from created to notified, by the broker's clock; `null` when no order ended
 * recently.
 */
export type EndedLately = { orders: number; p50Ms: number; p99Ms: number; lastEndedAt: string };

export type TopSample = {
  lag: StreamLag;
  processes: ProcessRates[];
  /** Processes that answered an earlier sample and no longer do. */
  gone: GoneProcess[];
  endedLately: EndedLately | null;
  deadLetters: number;
  /** `null` where there is no log. */
  archive: LogArchive | null;
};

/** How many events back the log is searched for ended orders: about 200 orders. */
const recentEvents = 1000;

/** Counting dead letters reads every redrive's subject, which is too expensive for each sample. */
const deadLettersEveryMs = 5000;

/**
 * Returns a function that reads one sample per call, which takes `intervalMs`, or as long as all processes need to
 * answer. The rates of consumers cover the interval, those of processes the time since the previous sample.
 */
export function createTopReader(
  log: FlowLog,
  { intervalMs, signal }: { intervalMs: number; signal: AbortSignal },
): () => Promise<TopSample> {
  const { connection, flow } = log;
  let before: readonly ProcessStatus[] = [];
  let leftBefore: ReadonlyMap<string, number> = new Map();
  const goneProcesses = new GoneProcesses();
  const measure = createLogMeter(connection, flow.stream);
  const deadLettersOf = readSeldom(() => countDeadLetters(connection), deadLettersEveryMs);
  return async () => {
    const [lag, processes] = await Promise.all([
      readLag(connection, { stream: flow.stream, intervalMs, durableOnly: true, signal }),
      readProcesses(connection, signal),
    ]);
    const [endedLately, deadLetters, cost] = await Promise.all([
      readEndedLately(log, signal),
      deadLettersOf(),
      measure(),
    ]);
    const { sampledAt } = lag;
    const archive =
      cost && flow.isManaged ? buildLogArchive(flow.stream, processes, { sampledAt, cost }) : null;
    const rated = processes.map((process) => withRates(process, before));
    before = processes;
    const gone = goneProcesses.add(lag, processes);
    // Deliveries move between the two reads, so only as many count as unclaimed as were unacknowledged in the previous
    // sample.
    const told = withGone(
      withProcesses(flow, lag, { processes, leftOf: (consumer) => leftBefore.get(consumer) ?? 0 }),
      gone,
    );
    leftBefore = new Map(lag.consumers.map(({ consumer, ackPending }) => [consumer, ackPending]));
    return { lag: told, processes: rated, gone, endedLately, deadLetters, archive };
  };
}

function readSeldom<T>(read: () => Promise<T>, everyMs: number): () => Promise<T> {
  let last: { value: T; atMs: number } | undefined;
  return async () => {
    if (!last || performance.now() - last.atMs >= everyMs)
      last = { value: await read(), atMs: performance.now() };
    return last.value;
  };
}

/**
 * Rates by the process's own clock. A process restarted under the same instance name has no rates in its first sample.
 */
export function withRates(now: ProcessStatus, before: readonly ProcessStatus[]): ProcessRates {
  const then = before.find(
    ({ instance, startedAt }) => instance === now.instance && startedAt === now.startedAt,
  );
  const seconds = then ? (now.uptimeMs - then.uptimeMs) / 1000 : 0;
  const rate = (of: "processed" | "failed") =>
    then && seconds > 0 ? (sumOf(now, of) - sumOf(then, of)) / seconds : null;
  return { ...now, processedPerS: rate("processed"), failedPerS: rate("failed") };
}

const sumOf = ({ workers }: ProcessStatus, of: "processed" | "failed"): number =>
  workers.reduce((sum, worker) => sum + worker[of], 0);

/** What cannot be read is told by others. */
function ends(flow: Flow, message: StoredMessage): boolean {
  try {
    return endingIn(flow, message) !== undefined;
  } catch {
    return false;
  }
}

async function readEndedLately(
  { connection, flow }: FlowLog,
  signal: AbortSignal,
): Promise<EndedLately | null> {
  const last = await readLastSequence(connection, flow.stream);
  const scan = {
    stream: flow.stream,
    filter: endingsFilter(flow),
    start: { sequence: Math.max(1, last - recentEvents) },
    toSequence: last,
    signal,
  };
  const tookMs: number[] = [];
  let lastUs = 0;
  await scanStream(connection, scan, (message) => {
    const { storedAtUs, header } = message;
    if (!ends(flow, message)) return;
    const orderAtUs = orderTimeOf(header(hopHeader));
    // A later storing with an earlier time shows that the broker's clock was set back: the duration is unknown.
    if (orderAtUs === undefined || orderAtUs > storedAtUs) return;
    tookMs.push((storedAtUs - orderAtUs) / 1000);
    lastUs = storedAtUs;
  });
  if (tookMs.length === 0) return null;
  tookMs.sort((a, b) => a - b);
  const at = (share: number) => tookMs[Math.min(tookMs.length - 1, Math.floor(share * tookMs.length))] ?? 0;
  return {
    orders: tookMs.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    lastEndedAt: new Date(lastUs / 1000).toISOString(),
  };
}
