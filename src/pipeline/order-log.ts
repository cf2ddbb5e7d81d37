import type { Connection } from "../jetstream/connection.ts";
import { readLast, type StoredMessage } from "../jetstream/read-message.ts";
import { decodeEvent } from "../orders/codec.ts";
import { eventKinds, type OrderEvent } from "../orders/events.ts";
import { ordersStream, subjectOf } from "../orders/subjects.ts";
import type { ReadPayment } from "../services/payment.ts";
import { decodeHop, type Hop, hopHeader } from "../telemetry/hop.ts";
import { parseTraceparent, type SpanContext } from "../telemetry/span-context.ts";

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

/**
 * Everything the log holds about one order, in stream order; empty for an unknown order. Six reads by subject,
 * whatever the size of the log. Rejects with `bad_message` when a stored event cannot be decoded.
 */
export async function readOrder(connection: Connection, orderId: string): Promise<LoggedEvent[]> {
  const reads = eventKinds.map((kind) => readLast(connection, ordersStream, subjectOf(kind, orderId)));
  const found = (await Promise.all(reads)).filter((message) => message !== undefined);
  return found.map(loggedEvent).sort((a, b) => a.sequence - b.sequence);
}

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
