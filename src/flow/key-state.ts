import { OrderctlError } from "../core/errors.ts";
import type { Flow, FlowEvent, FlowShape, Subscription } from "./flow.ts";

/** An event and its place in the log. `storedAtUs` is the broker's Unix time in µs. */
export type PlacedEvent<E extends FlowEvent = FlowEvent> = { event: E; sequence: number; storedAtUs: number };

export type KeyState<E extends FlowEvent = FlowEvent> = {
  key: string;
  /** The state after the last event that changes it. */
  status: string;
  /** The service that has to act next; `null` once the key ended. */
  waitingFor: string | null;
  /** What it has to do, because of which event; `null` once the key ended. */
  next: (Subscription & { after: PlacedEvent<E> }) | null;
  /** ISO time at which the last event was stored. */
  since: string;
  ended: boolean;
  /** The outcome of the event that ended the key; `null` before. */
  outcome: string | null;
  /** In causal order, at most one of each kind. */
  events: PlacedEvent<E>[];
};

/**
 * Folds the events of one key, in any order, into its state; of two events of one kind the lower sequence counts.
 * Throws `not_found` when there are none.
 */
export function foldKey<E extends FlowEvent>(flow: Flow<E>, stored: readonly PlacedEvent<E>[]): KeyState<E> {
  const events = sortCausally(flow, stored);
  const [first] = events;
  if (first === undefined)
    throw new OrderctlError("not_found", `no event of this ${flow.noun.one} is stored`);
  const steps = events.map((placed) => ({ placed, kind: placed.event.kind, ...flow.describe(placed.event) }));
  const ending = steps.find(({ kind, outcome }) => flow.endsWith(kind, outcome));
  // Endings and side steps leave the state unchanged, so the last event that has a state decides.
  const last = steps.findLast(({ kind, outcome }) => flow.stateAfter(kind, outcome) !== undefined);
  const subscription = ending || !last ? undefined : flow.nextAfter(last.kind, last.outcome);
  const lastStoredAtUs = Math.max(...events.map(({ storedAtUs }) => storedAtUs));
  return {
    key: flow.keyOf(first.event),
    status:
      (last && flow.stateAfter(last.kind, last.outcome)) ?? flow.stateAfter(flow.firstKind, undefined) ?? "",
    waitingFor: subscription?.service ?? null,
    next: subscription && last ? { ...subscription, after: last.placed } : null,
    since: new Date(Math.floor(lastStoredAtUs / 1000)).toISOString(),
    ended: ending !== undefined,
    outcome: ending?.outcome ?? null,
    events,
  };
}

function sortCausally<E extends FlowEvent>(
  flow: FlowShape,
  stored: readonly PlacedEvent<E>[],
): PlacedEvent<E>[] {
  const rank = ({ event }: PlacedEvent<E>) => flow.kinds.indexOf(event.kind);
  const sorted = stored.toSorted((a, b) => rank(a) - rank(b) || a.sequence - b.sequence);
  return sorted.filter(({ event }, index) => event.kind !== sorted[index - 1]?.event.kind);
}
