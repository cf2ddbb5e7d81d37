import type { FlowLog, FlowShape } from "../flow/flow.ts";
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
 * The lag of a stream. Where a consumer of the orders does not go on, the processes are asked who has its deliveries; where
 * this user may not ask, that stays unknown.
 */
export async function readServiceLag({ connection, flow }: FlowLog, query: LagQuery): Promise<StreamLag> {
  const lag = await readLag(connection, query);
  if (query.stream !== flow.stream || lag.consumers.every(({ state }) => goesOn.has(state))) return lag;
  const processes = await readProcesses(connection, query.signal).catch(() => undefined);
  if (!processes) return lag;
  // What was acknowledged while they were asked is nobody's any more.
  const later = await readLag(connection, { ...query, intervalMs: 0 });
  const leftOf = new Map(later.consumers.map(({ consumer, ackPending }) => [consumer, ackPending]));
  return withProcesses(flow, lag, { processes, leftOf: (consumer) => leftOf.get(consumer) ?? 0 });
}

/** Adds what follows from who answers, and what they say. `leftOf` a consumer is not acknowledged after they did. */
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

/** Whoever may answer may say anything, at any length. */
const mostReasons = 5;
const longestReason = 300;

const fewReasons = (texts: readonly string[]): string[] =>
  [...new Set(texts.map((text) => text.slice(0, longestReason)))].slice(0, mostReasons);

const problemsOf = (processes: readonly ProcessStatus[], consumer: Named): string[] =>
  fewReasons(processes.flatMap(({ problems }) => problems.filter(isOf(consumer)).map(({ text }) => text)));

/** What a breaker keeps waiting is handed back for later, again and again, and so in nobody's hands for most of the time. */
const openBreakersOf = (flow: FlowShape, working: readonly ProcessStatus[], consumer: Named): string[] =>
  fewReasons(
    working.flatMap(({ instance, breakers }) =>
      breakers
        .filter(({ state, service }) => state !== "closed" && isOfService(flow, consumer, service))
        .map(({ name, state }) => `the breaker ${name} of ${instance} is ${state}`),
    ),
  );

const isOfService = (flow: FlowShape, consumer: Named, service: string | undefined): boolean =>
  service !== undefined && flow.subscriptionsOf(service).some(isOf(consumer));

/** Once their time is up they wait, as all others, for somebody who asks. */
function unclaimedState(lag: ConsumerLag, sampledAt: string): LagState {
  const { unclaimed, workers, waiting, state, comesAgainBy } = lag;
  if (unclaimed === 0) return state;
  const isOver = workers === 0 && waiting === 0 && comesAgainBy !== null && comesAgainBy < sampledAt;
  return isOver ? "abandoned" : "held";
}
