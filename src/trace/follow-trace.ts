import { type FlowLog, findFault } from "../flow/flow.ts";
import { type LoggedEvent, loggedEvent } from "../flow/key-log.ts";
import { scanStream } from "../jetstream/streams/read-stream.ts";

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
  { connection, flow }: FlowLog,
  { orderId, fromSequence, signal }: Following,
  onEvent: (logged: readonly LoggedEvent[]) => void,
): Promise<void> {
  const ended = new AbortController();
  const logged: LoggedEvent[] = [];
  const filter = flow.subjectOf("*", orderId);
  const scan = { stream: flow.stream, filter, start: { sequence: fromSequence }, follow: true };
  await scanStream(connection, { ...scan, signal: AbortSignal.any([signal, ended.signal]) }, (message) => {
    // What is no event has no place among those of the order.
    const place = flow.parseSubject(message.subject);
    if (!place || findFault(flow, message.subject, message.payload) !== undefined) return;
    logged.push(loggedEvent(flow, { ...place, message }));
    onEvent([...logged]);
    if (flow.endings.includes(place.kind)) ended.abort();
  });
}
