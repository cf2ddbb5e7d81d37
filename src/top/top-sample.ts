import type { FlowLog } from "../flow/flow.ts";
import { countDeadLetters } from "../flow/observe-log.ts";
import { type ProcessStatus, readProcesses } from "../flow/process-status.ts";
import { readLag, type StreamLag } from "../jetstream/streams/lag.ts";
import { readLastSequence } from "../jetstream/streams/read-message.ts";
import { scanStream } from "../jetstream/streams/read-stream.ts";
import { withProcesses } from "../lag/service-lag.ts";
import { hopHeader, orderTimeOf } from "../telemetry/hop.ts";
import { type GoneProcess, GoneProcesses, withGone } from "./gone-processes.ts";

/** What one process did between two samples; `null` where it was not there before. */
export type ProcessRates = ProcessStatus & { processedPerS: number | null; failedPerS: number | null };

/** How long the orders took that ended last, from created to notified, by the broker's clock; `null` where none of the last events did. */
export type EndedLately = { orders: number; p50Ms: number; p99Ms: number; lastEndedAt: string };

export type TopSample = {
  lag: StreamLag;
  processes: ProcessRates[];
  /** Those that answered since the first sample and do so no longer. */
  gone: GoneProcess[];
  endedLately: EndedLately | null;
  deadLetters: number;
};

/** How far back in the log the ends of orders are looked for: some 200 of them. */
const recentEvents = 1000;

/** Every redriven message is counted for it: too much to ask each time. */
const deadLettersEveryMs = 5000;

/**
 * Reads samples, one per call: `intervalMs` apart, or as long as all processes need to answer. The rates of consumers are
 * those of the interval, those of processes since the sample before.
 */
export function createTopReader(
  log: FlowLog,
  { intervalMs, signal }: { intervalMs: number; signal: AbortSignal },
): () => Promise<TopSample> {
  const { connection, flow } = log;
  let before: readonly ProcessStatus[] = [];
  let leftBefore: ReadonlyMap<string, number> = new Map();
  const goneProcesses = new GoneProcesses();
  const deadLettersOf = readSeldom(() => countDeadLetters(connection), deadLettersEveryMs);
  return async () => {
    const [lag, processes] = await Promise.all([
      readLag(connection, { stream: flow.stream, intervalMs, durableOnly: true, signal }),
      readProcesses(connection, signal),
    ]);
    const [endedLately, deadLetters] = await Promise.all([readEndedLately(log, signal), deadLettersOf()]);
    const rated = processes.map((process) => withRates(process, before));
    before = processes;
    const gone = goneProcesses.add(lag, processes);
    // Between two samples messages flow: only what was in nobody's hands in both is.
    const told = withGone(
      withProcesses(flow, lag, { processes, leftOf: (consumer) => leftBefore.get(consumer) ?? 0 }),
      gone,
    );
    leftBefore = new Map(lag.consumers.map(({ consumer, ackPending }) => [consumer, ackPending]));
    return { lag: told, processes: rated, gone, endedLately, deadLetters };
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

/** By the process's own clock. One that was started anew under the same name counts from its own beginning. */
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

async function readEndedLately(
  { connection, flow }: FlowLog,
  signal: AbortSignal,
): Promise<EndedLately | null> {
  const last = await readLastSequence(connection, flow.stream);
  const scan = {
    stream: flow.stream,
    filter: flow.subjectOf(flow.ending, "*"),
    start: { sequence: Math.max(1, last - recentEvents) },
    toSequence: last,
    signal,
  };
  const tookMs: number[] = [];
  let lastUs = 0;
  await scanStream(connection, scan, ({ storedAtUs, header }) => {
    const orderAtUs = orderTimeOf(header(hopHeader));
    // Where the broker's clock was set back meanwhile, nobody knows how long it took.
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
