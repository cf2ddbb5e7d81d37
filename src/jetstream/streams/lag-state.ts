import type { ConsumerLag } from "./lag.ts";

/**
 * What can be concluded about a consumer. With a backlog and no acknowledgement in the interval: `abandoned`, nobody asks for
 * messages or has any; `unbound`, nobody listens where they are pushed to; `idle`, deliveries are held and nobody asks for more;
 * `waiting`, they are held and somebody does. `held`: no process that answers has them, or the oldest stays while others flow.
 */
export type LagState =
  | "up_to_date"
  | "keeps_up"
  | "behind"
  | "held"
  | "waiting"
  | "idle"
  | "abandoned"
  | "unbound"
  | "paused"
  | "unknown";

export type Measured = Omit<ConsumerLag, "state">;

export const backlogOf = ({ pending, ackPending }: Pick<ConsumerLag, "pending" | "ackPending">): number =>
  pending + ackPending;

/** `floorStays` says that the oldest of the deliveries was the same in both samples. */
export function stateOf(lag: Measured, floorStays: boolean): LagState {
  if (lag.pausedUntil !== null) return "paused";
  if (backlogOf(lag) === 0) return "up_to_date";
  if (lag.bound === false && lag.pending > 0) return "unbound";
  if (lag.outPerS === null) return "unknown";
  if (lag.outPerS === 0) return stuckState(lag);
  if (floorStays && isOverdue(lag)) return "held";
  return lag.drainS !== null || isInProgress(lag) ? "keeps_up" : "behind";
}

function stuckState({ ackPending, waiting }: Measured): LagState {
  if (waiting !== 0) return "waiting";
  return ackPending === 0 ? "abandoned" : "idle";
}

/**
 * What comes in goes out: less than a second's worth is then work in progress, not a backlog. Of one and the same flow two
 * samples show a little more or less.
 */
const isInProgress = (lag: Measured): boolean => {
  const { inPerS, outPerS } = lag;
  return outPerS !== null && outPerS > backlogOf(lag) && (inPerS ?? 0) - outPerS <= Math.max(5, outPerS / 10);
};

const overdueMs = 5000;

const isOverdue = ({ ackPending, oldestAgeMs }: Measured): boolean =>
  ackPending > 0 && oldestAgeMs !== null && oldestAgeMs > overdueMs;
