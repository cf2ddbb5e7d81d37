import type { FlowLog, FlowShape } from "../flow/flow.ts";
import { consumersOf } from "../flow/log-consumers.ts";
import { type ProcessStatus, readProcesses } from "../flow/process-status.ts";
import {
  type ConsumerLag,
  type LagQuery,
  type LagState,
  readLag,
  type StreamLag,
} from "../jetstream/streams/lag.ts";

const goesOn: ReadonlySet<LagState> = new Set(["up_to_date", "keeps_up", "behind", "paused"]);

/**
 * The lag of a stream. When a consumer of the flow does not go on, asks the processes which deliveries they have in
 * hand; that stays unknown when this user may not ask.
 */
export async function readServiceLag({ connection, flow }: FlowLog, query: LagQuery): Promise<StreamLag> {
  const lag = await readLag(connection, query);
  if (query.stream !== flow.stream || lag.consumers.every(({ state }) => goesOn.has(state))) return lag;
  const processes = await readProcesses(connection, query.signal).catch(() => undefined);
  if (!processes) return lag;
  // Deliveries acknowledged while the processes were asked no longer count as held.
  const later = await readLag(connection, { ...query, intervalMs: 0 });
  const leftOf = new Map(later.consumers.map(({ consumer, ackPending }) => [consumer, ackPending]));
  return withProcesses(flow, lag, { processes, leftOf: (consumer) => leftOf.get(consumer) ?? 0 });
}

/**
 * Adds the processes' answers to the lag: workers, reasons, and deliveries that no process has in hand.
 * `leftOf(consumer)` is how many of its deliveries a second sample also found unacknowledged.
 */
export const withProcesses = (
  flow: FlowShape,
  lag: StreamLag,
  { processes, leftOf }: { processes: readonly ProcessStatus[]; leftOf: (consumer: string) => number },
): StreamLag => ({
  ...lag,
  consumers: lag.consumers.map((before) => {
    const working = processes.filter(({ workers }) => workers.some(isOf(before)));
    const [open, problems] = [openBreakersOf(flow, working, before), problemsOf(processes, before)];
    const reasons = [...before.reasons, ...open, ...problems];
    const consumer = { ...before, workers: working.length, reasons };
    if (goesOn.has(consumer.state)) return consumer;
    const most = Math.min(consumer.ackPending, leftOf(consumer.consumer));
    const unclaimed = Math.max(0, most - inHandOf(working, consumer));
    const state =
      open.length > 0 ? consumer.state : unclaimedState({ ...consumer, unclaimed }, lag.sampledAt);
    return { ...consumer, unclaimed, state };
  }),
});

type Named = Pick<ConsumerLag, "consumer">;

const isOf =
  ({ consumer }: Named) =>
  (one: Named): boolean =>
    one.consumer === consumer;

const inHandOf = (working: readonly ProcessStatus[], consumer: Named): number =>
  working.reduce((sum, { workers }) => sum + (workers.find(isOf(consumer))?.inFlight ?? 0), 0);

/** Any program may answer, at any length, so the number and length of the shown reasons are limited. */
const mostReasons = 5;
const longestReason = 300;

const fewReasons = (texts: readonly string[]): string[] =>
  [...new Set(texts.map((text) => text.slice(0, longestReason)))].slice(0, mostReasons);

const problemsOf = (processes: readonly ProcessStatus[], consumer: Named): string[] =>
  fewReasons(processes.flatMap(({ problems }) => problems.filter(isOf(consumer)).map(({ text }) => text)));

/**
 * The open breakers that explain a consumer's unclaimed deliveries: while a breaker is open, the service keeps handing
 * its deliveries back, so that most of the time no process has them in hand.
 */
const openBreakersOf = (flow: FlowShape, working: readonly ProcessStatus[], consumer: Named): string[] =>
  fewReasons(
    working.flatMap(({ instance, breakers }) =>
      breakers
        .filter(({ state, service }) => state !== "closed" && isOfService(flow, consumer, service))
        .map(({ name, state }) => `the breaker ${name} of ${instance} is ${state}`),
    ),
  );

const isOfService = (flow: FlowShape, consumer: Named, service: string | undefined): boolean =>
  service !== undefined && consumersOf(flow, service).some(isOf(consumer));

/**
 * Deliveries past their ack wait are redelivered only on a pull: without a worker or a pull request, the consumer is
 * abandoned.
 */
function unclaimedState(lag: ConsumerLag, sampledAt: string): LagState {
  const { unclaimed, workers, waiting, state, comesAgainBy } = lag;
  if (unclaimed === 0) return state;
  const isOver = workers === 0 && waiting === 0 && comesAgainBy !== null && comesAgainBy < sampledAt;
  return isOver ? "abandoned" : "held";
}
