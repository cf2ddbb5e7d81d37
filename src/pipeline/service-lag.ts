import type { Connection } from "../jetstream/connection.ts";
import { type ConsumerLag, type LagQuery, readLag, type StreamLag } from "../jetstream/lag.ts";
import type { LagState } from "../jetstream/lag-state.ts";
import { ordersStream } from "../orders/subjects.ts";
import { type ProcessStatus, readProcesses } from "./process-status.ts";

const goesOn: ReadonlySet<LagState> = new Set(["up_to_date", "keeps_up", "behind", "paused"]);

/**
 * The lag of a stream. Where a consumer of the orders does not go on, the processes are asked who has its deliveries; where
 * this user may not ask, that stays unknown.
 */
export async function readServiceLag(connection: Connection, query: LagQuery): Promise<StreamLag> {
  const lag = await readLag(connection, query);
  if (query.stream !== ordersStream || lag.consumers.every(({ state }) => goesOn.has(state))) return lag;
  const processes = await readProcesses(connection, 0).catch(() => undefined);
  if (!processes) return lag;
  // What was acknowledged while they were asked is nobody's any more.
  const later = await readLag(connection, { ...query, intervalMs: 0 });
  const leftOf = new Map(later.consumers.map(({ consumer, ackPending }) => [consumer, ackPending]));
  return withProcesses(lag, processes, (consumer) => leftOf.get(consumer) ?? 0);
}

/** A process may say what keeps its workers from working. */
type Announced = ProcessStatus & { problems?: readonly { consumer: string; text: string }[] };

/** Adds what follows from who answers, and what they say. `leftOf` a consumer is not acknowledged after they did. */
export const withProcesses = (
  lag: StreamLag,
  processes: readonly Announced[],
  leftOf: (consumer: string) => number,
): StreamLag => ({
  ...lag,
  consumers: lag.consumers.map((before) => {
    const consumer = { ...before, reasons: [...before.reasons, ...problemsOf(processes, before.consumer)] };
    if (goesOn.has(consumer.state)) return consumer;
    const inHand = processes.reduce((sum, { workers }) => sum + inFlightOf(workers, consumer.consumer), 0);
    const most = Math.min(consumer.ackPending, leftOf(consumer.consumer));
    return withUnclaimed(consumer, Math.max(0, most - inHand), lag.sampledAt);
  }),
});

/** Whoever may answer may say anything, at any length. */
const mostProblems = 5;
const longestProblem = 300;

function problemsOf(processes: readonly Announced[], consumer: string): string[] {
  const texts = processes
    .flatMap(({ problems = [] }) => problems)
    .filter((problem) => problem.consumer === consumer)
    .map(({ text }) => text.slice(0, longestProblem));
  return [...new Set(texts)].slice(0, mostProblems);
}

const inFlightOf = (workers: ProcessStatus["workers"], consumer: string): number =>
  workers.find((worker) => worker.consumer === consumer)?.inFlight ?? 0;

/** Once their time is up they wait, as all others, for somebody who asks. */
function withUnclaimed(lag: ConsumerLag, unclaimed: number, sampledAt: string): ConsumerLag {
  if (unclaimed === 0) return { ...lag, unclaimed };
  const isOver = lag.waiting === 0 && lag.comesAgainBy !== null && lag.comesAgainBy < sampledAt;
  return { ...lag, unclaimed, state: isOver ? "abandoned" : "held" };
}
