import type { KeyState, PlacedEvent } from "../../flow/key-state.ts";
import { factsOf } from "../describe-event.ts";
import type { Money, OrderCreated, OrderEvent } from "../events.ts";

type Stage = Pick<KeyState, "status" | "waitingFor">;

/** The body of the answer to an order that is stored; amounts are in minor units. */
export const receipt = (
  { orderId, total }: OrderCreated,
  { sequence, status, waitingFor }: Stage & { sequence: number },
): Record<string, unknown> => ({
  order_id: orderId,
  status,
  waiting_for: waitingFor,
  sequence,
  total: moneyDocument(total),
});

/** Where an order stands and its events, in causal order; times are ISO 8601, `null` if unknown. */
export function orderDocument(state: KeyState<OrderEvent>): Record<string, unknown> {
  const created = state.events.map(({ event }) => event).find((event) => event.kind === "created");
  return {
    order_id: state.key,
    status: state.status,
    waiting_for: state.waitingFor,
    outcome: state.outcome,
    ended: state.ended,
    since: state.since,
    total: created ? moneyDocument(created.total) : null,
    events: state.events.map(eventDocument),
  };
}

const eventDocument = ({
  event,
  sequence,
  storedAtUs,
}: PlacedEvent<OrderEvent>): Record<string, unknown> => ({
  kind: event.kind,
  sequence,
  stored_at: new Date(Math.floor(storedAtUs / 1000)).toISOString(),
  ...factsOf(event),
});

const moneyDocument = ({ amountMinor, currency }: Money) => ({ amount_minor: amountMinor, currency });
