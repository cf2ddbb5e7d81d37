import { type LoggedEvent, loggedEvent } from "../flow/order-log.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { scanStream } from "../jetstream/streams/read-stream.ts";
import { ordersStream } from "../orders/subjects.ts";
import { findMessageFault } from "../orders/wire/codec.ts";

type Following = {
  orderId: string;
  /** Where in the stream the order begins. */
  fromSequence: number;
  signal: AbortSignal;
};

/**
 * Hands over each event of an order with all before it, those that are stored already at once. Resolves when the
 * customer was notified, or when `signal` aborts.
 */
export async function followOrder(
  connection: Connection,
  { orderId, fromSequence, signal }: Following,
  onEvent: (logged: readonly LoggedEvent[]) => void,
): Promise<void> {
  const ended = new AbortController();
  const logged: LoggedEvent[] = [];
  const filter = `${ordersStream}.*.${orderId}`;
  const scan = { stream: ordersStream, filter, start: { sequence: fromSequence }, follow: true };
  await scanStream(connection, { ...scan, signal: AbortSignal.any([signal, ended.signal]) }, (message) => {
    // What is no event has no place among those of the order.
    if (findMessageFault(message.subject, message.payload) !== undefined) return;
    logged.push(loggedEvent(message));
    onEvent([...logged]);
    if (logged.at(-1)?.event.kind === "notifications") ended.abort();
  });
}
