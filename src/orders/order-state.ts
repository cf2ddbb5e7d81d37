import { OrderctlError } from "../core/errors.ts";
import { type EventKind, type EventOf, eventKinds, type OrderEvent } from "./events.ts";

/** An event and where the log keeps it. `storedAtUs` is the broker's Unix time in µs. */
export type StoredEvent = { event: OrderEvent; sequence: number; storedAtUs: number };

/** The last thing that happened to an order, telling the customer apart. */
export type OrderStatus =
  | "created"
  | "paid"
  | "declined"
  | "reserved"
  | "out_of_stock"
  | "shipped"
  | "refunded";

/** The service whose turn it is. */
export type WaitingFor = "payment" | "inventory" | "shipping" | "notification";

export type OrderState = {
  orderId: string;
  status: OrderStatus;
  /** `null` once the order ended. */
  waitingFor: WaitingFor | null;
  /** ISO time at which the last event was stored. */
  since: string;
  /** True once the customer was notified. */
  ended: boolean;
  outcome: EventOf<"notifications">["type"] | null;
  /** In causal order, one of a kind. */
  events: StoredEvent[];
};

const next: Record<OrderStatus, WaitingFor> = {
  created: "payment",
  paid: "inventory",
  declined: "notification",
  reserved: "shipping",
  out_of_stock: "payment",
  shipped: "notification",
  refunded: "notification",
};

const rank = Object.fromEntries(eventKinds.map((kind, index) => [kind, index])) as Record<EventKind, number>;

/**
 * The state of one order from its events, whatever order they arrive in; of two events of a kind the earlier
 * sequence counts. Throws `not_found` when there is none.
 */
export function foldOrder(stored: readonly StoredEvent[]): OrderState {
  const events = sortCausally(stored);
  const [first] = events;
  if (first === undefined) throw new OrderctlError("not_found", "no event of this order is stored");
  const status = events.reduce<OrderStatus>((before, { event }) => statusAfter(event, before), "created");
  const notified = events.map(({ event }) => event).find((event) => event.kind === "notifications");
  const lastStoredAtUs = Math.max(...events.map(({ storedAtUs }) => storedAtUs));
  return {
    orderId: first.event.orderId,
    status,
    waitingFor: notified ? null : next[status],
    since: new Date(Math.floor(lastStoredAtUs / 1000)).toISOString(),
    ended: notified !== undefined,
    outcome: notified?.type ?? null,
    events,
  };
}

function sortCausally(stored: readonly StoredEvent[]): StoredEvent[] {
  const sorted = stored.toSorted(
    (a, b) => rank[a.event.kind] - rank[b.event.kind] || a.sequence - b.sequence,
  );
  return sorted.filter(({ event }, index) => event.kind !== sorted[index - 1]?.event.kind);
}

function statusAfter(event: OrderEvent, before: OrderStatus): OrderStatus {
  switch (event.kind) {
    case "created":
      return "created";
    case "payments":
      return event.status === "APPROVED" ? "paid" : "declined";
    case "reservations":
      return event.status === "RESERVED" ? "reserved" : "out_of_stock";
    case "shipments":
      return "shipped";
    case "refunds":
      return "refunded";
    case "notifications":
      return before;
  }
}
