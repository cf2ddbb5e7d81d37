import type { Connection } from "../jetstream/connection.ts";
import { readLag, type StreamLag } from "../jetstream/lag.ts";
import { readLastSequence } from "../jetstream/read-message.ts";
import { scanStream } from "../jetstream/scan.ts";
import { ordersStream, subjectOf } from "../orders/subjects.ts";
import { decodeHop, hopHeader } from "../telemetry/hop.ts";
import { countDeadLetters } from "./observe-log.ts";
import { type ProcessStatus, readProcesses } from "./process-status.ts";

/** What one process did between two samples; `null` where it was not there before. */
export type ProcessRates = ProcessStatus & { processedPerS: number | null; failedPerS: number | null };

/** How long the orders took that ended last, from created to notified, by the broker's clock; `null` where none of the last events did. */
export type EndedLately = { orders: number; p50Ms: number; p99Ms: number; lastEndedAt: string };

export type TopSample = {
  lag: StreamLag;
  processes: ProcessRates[];
  endedLately: EndedLately | null;
  deadLetters: number;
};

/** How far back in the log the ends of orders are looked for: some 200 of them. */
const recentEvents = 1000;

type Before = { atMs: number; processes: readonly ProcessStatus[] };

/** Reads samples, one per call, `intervalMs` apart; each tells what happened since the one before. */
export function createTopReader(
  connection: Connection,
  { intervalMs, signal }: { intervalMs: number; signal: AbortSignal },
): () => Promise<TopSample> {
  let before: Before | undefined;
  return async () => {
    const lag = await readLag(connection, { stream: ordersStream, intervalMs, signal });
    const [processes, endedLately, deadLetters] = await Promise.all([
      readProcesses(connection, 0),
      readEndedLately(connection, signal),
      countDeadLetters(connection),
    ]);
    const rated = withRates(processes, before);
    before = { atMs: performance.now(), processes };
    const consumers = lag.consumers.filter(({ durable }) => durable);
    return { lag: { ...lag, consumers }, processes: rated, endedLately, deadLetters };
  };
}

function withRates(processes: readonly ProcessStatus[], before: Before | undefined): ProcessRates[] {
  const seconds = before ? (performance.now() - before.atMs) / 1000 : 0;
  return processes.map((now) => {
    const then = before?.processes.find(({ instance }) => instance === now.instance);
    const rate = (of: "processed" | "failed") => (then ? (sumOf(now, of) - sumOf(then, of)) / seconds : null);
    return { ...now, processedPerS: rate("processed"), failedPerS: rate("failed") };
  });
}

const sumOf = ({ workers }: ProcessStatus, of: "processed" | "failed"): number =>
  workers.reduce((sum, worker) => sum + worker[of], 0);

async function readEndedLately(connection: Connection, signal: AbortSignal): Promise<EndedLately | null> {
  const last = await readLastSequence(connection, ordersStream);
  const scan = {
    stream: ordersStream,
    filter: subjectOf("notifications", "*"),
    fromSequence: Math.max(1, last - recentEvents),
    signal,
  };
  const tookMs: number[] = [];
  let lastUs = 0;
  await scanStream(connection, scan, ({ storedAtUs, header }) => {
    const orderAtUs = decodeHop(header(hopHeader))?.orderAtUs;
    if (orderAtUs === undefined) return;
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
