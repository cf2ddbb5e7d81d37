import { OrderctlError } from "../core/errors.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { readLast, type StoredMessage } from "../jetstream/streams/read-message.ts";
import { findLaterCause, type PlacedKind } from "../orders/causes.ts";
import { type EventKind, eventKinds, type OrderEvent } from "../orders/events.ts";
import type { ReadPayment } from "../orders/services/payment.ts";
import { ordersStream, subjectOf } from "../orders/subjects.ts";
import { decodeEvent, findMessageFault } from "../orders/wire/codec.ts";
import { decodeHop, type Hop, hopHeader } from "../telemetry/hop.ts";
import { parseTraceparent, type SpanContext } from "../telemetry/tracing/span-context.ts";

/** An event of an order as the log holds it. */
export type LoggedEvent = {
  event: OrderEvent;
  sequence: number;
  /** By the broker's clock. */
  storedAtUs: number;
  hop: Hop | undefined;
  /** The span that stored it. */
  trace: SpanContext | undefined;
};

/** A message of the log that is not the event that its subject says, and why. */
export type FalseMessage = { sequence: number; subject: string; fault: string };

/** What the log holds under the subjects of an order, each in stream order. */
export type LoggedOrder = { events: LoggedEvent[]; falseMessages: FalseMessage[] };

/** Everything the log holds about one order; no event for an unknown one. Six reads by subject, whatever the size of the log. */
export async function readOrder(connection: Connection, orderId: string): Promise<LoggedOrder> {
  const reads = eventKinds.map(async (kind) => {
    const message = await readLast(connection, ordersStream, subjectOf(kind, orderId));
    return message && { kind, message };
  });
  return sortOut((await Promise.all(reads)).filter((found) => found !== undefined));
}

/** `found` has causes before what follows from them: what follows from a message that is no event is none either. */
function sortOut(found: readonly { kind: EventKind; message: StoredMessage }[]): LoggedOrder {
  const order: LoggedOrder = { events: [], falseMessages: [] };
  const placed: PlacedKind[] = [];
  for (const { kind, message } of found) {
    const { sequence, subject, payload } = message;
    const later = findLaterCause({ kind, sequence }, placed);
    const fault = findMessageFault(subject, payload) ?? (later && storedTooEarly(later.sequence));
    if (fault !== undefined) order.falseMessages.push({ sequence, subject, fault });
    else {
      order.events.push(loggedEvent(message));
      placed.push({ kind, sequence });
    }
  }
  order.events.sort(bySequence);
  order.falseMessages.sort(bySequence);
  return order;
}

const bySequence = (a: { sequence: number }, b: { sequence: number }): number => a.sequence - b.sequence;

/** The error where what takes the place of an event is none: nobody can store that event before it is removed. */
export const takenBy = (
  { sequence, subject, fault }: FalseMessage,
  code: "conflict" | "bad_message",
): OrderctlError =>
  new OrderctlError(
    code,
    `message ${sequence} takes the place of ${subject} and is no such event: ${fault}`,
    {
      hint: `who may have stored it, and away with it: orderctl dlq remove-event ${sequence}`,
      fault: "message",
    },
  );

/** The fault of an event that was stored before the one that it would follow from. */
export const storedTooEarly = (causeSequence: number): string =>
  `it was stored before message ${causeSequence}, which it would follow from`;

/** Asks the log for payments; rejects with `bad_message` where one cannot be decoded. */
export const paymentReader =
  (connection: Connection): ReadPayment =>
  async (orderId) => {
    const subject = subjectOf("payments", orderId);
    const stored = await readLast(connection, ordersStream, subject);
    const event = stored && decodeEvent(subject, stored.payload);
    return event?.kind === "payments" ? event : undefined;
  };

export const loggedEvent = ({
  subject,
  payload,
  sequence,
  storedAtUs,
  header,
}: StoredMessage): LoggedEvent => ({
  event: decodeEvent(subject, payload),
  sequence,
  storedAtUs,
  hop: decodeHop(header(hopHeader)),
  trace: parseTraceparent(header("traceparent")),
});
