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
  return processes ? withProcesses(lag, processes) : lag;
}

/** Adds what follows from who answers. */
export const withProcesses = (lag: StreamLag, processes: readonly ProcessStatus[]): StreamLag => ({
  ...lag,
  consumers: lag.consumers.map((consumer) => withWorkers(consumer, processes, lag.sampledAt)),
});

/**
 * Deliveries of a consumer that nobody works for are in nobody's hands. While somebody does, the counts of broker and processes
 * are of different moments, and what was handed back for later is in nobody's hands either: nothing follows from them.
 */
function withWorkers(lag: ConsumerLag, processes: readonly ProcessStatus[], sampledAt: string): ConsumerLag {
  const isWorkedOn = processes.some(({ workers }) =>
    workers.some(({ consumer }) => consumer === lag.consumer),
  );
  if (isWorkedOn || goesOn.has(lag.state)) return lag;
  return { ...lag, unclaimed: lag.ackPending, state: unclaimedState(lag, sampledAt) };
}

/** Once their time is up they wait, as all others, for somebody who asks. */
function unclaimedState(
  { ackPending, waiting, state, comesAgainBy }: ConsumerLag,
  sampledAt: string,
): LagState {
  if (ackPending === 0) return state;
  return waiting === 0 && comesAgainBy !== null && comesAgainBy < sampledAt ? "abandoned" : "held";
}
