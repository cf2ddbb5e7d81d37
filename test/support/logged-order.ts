import type { LoggedEvent } from "../../src/flow/key-log.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import type { Hop } from "../../src/telemetry/hop.ts";

const startUs = Date.parse("2026-03-01T12:00:00.000Z") * 1000;
const serviceOf = {
  created: "publish",
  payments: "payment",
  reservations: "inventory",
  shipments: "shipping",
  refunds: "payment",
  notifications: "notification",
};

/** µs after the start at which an event's handler received, finished, and the broker stored it. */
type Times = { received: number; finished: number; stored: number };

/** What the log would hold: each event caused by the one before it, with sequences from 1. */
export function loggedOrder(
  events: readonly OrderEvent[],
  times: readonly (Times & Partial<Hop>)[],
): LoggedEvent<OrderEvent>[] {
  return events.map((event, index) => {
    const { received = 0, finished = 0, stored = 0, ...hop } = times[index] ?? {};
    return {
      kind: event.kind,
      key: event.orderId,
      event,
      sequence: index + 1,
      storedAtUs: startUs + stored,
      hop: {
        causeSequence: index === 0 ? null : index,
        service: serviceOf[event.kind],
        instance: event.kind === "created" ? "till-9" : "box-1",
        attempt: 1,
        receivedAtUs: startUs + received,
        startedAtUs: startUs + received,
        finishedAtUs: startUs + finished,
        ...hop,
      },
      trace: undefined,
    };
  });
}

/** As another program stores events: without a hop header. */
export const asForeign = (logged: readonly LoggedEvent[]): LoggedEvent[] =>
  logged.map((stored) => ({ ...stored, hop: undefined }));

/** Now, so many µs after the start. */
export const sinceStart = (us: number): number => startUs + us;
