import type { Connection } from "../../src/jetstream/client/connection.ts";
import { readLastSequence } from "../../src/jetstream/streams/read-message.ts";
import { scanStream } from "../../src/jetstream/streams/read-stream.ts";
import type { EventKind, EventOf, OrderEvent } from "../../src/orders/events.ts";
import { ordersStream } from "../../src/orders/subjects.ts";
import { decodeEvent } from "../../src/orders/wire/codec.ts";
import { decodeHop, type Hop } from "../../src/telemetry/hop.ts";

export type Logged = {
  event: OrderEvent;
  sequence: number;
  hop: Hop | undefined;
  traceparent: string | undefined;
};

/** All events of the log, in its order. */
export async function readLog(connection: Connection): Promise<Logged[]> {
  const log: Logged[] = [];
  await scanStream(connection, { stream: ordersStream }, ({ subject, payload, sequence, header }) => {
    const event = decodeEvent(subject, payload);
    log.push({
      event,
      sequence,
      hop: decodeHop(header("Orderctl-Hop")),
      traceparent: header("traceparent"),
    });
  });
  return log;
}

/** The events of one kind. */
export const eventsOf = <K extends EventKind>(log: readonly Logged[], kind: K): EventOf<K>[] =>
  log.map(({ event }) => event).filter((event): event is EventOf<K> => event.kind === kind);

export type Backlog = Record<string, [pending: number, acks: number]>;

/** The consumers that hold deliveries nobody acknowledged, or wait for messages. */
export async function readBacklog({ jsm }: Connection, stream = ordersStream): Promise<Backlog> {
  const backlog: Backlog = {};
  for await (const info of jsm.consumers.list(stream)) {
    if (info.num_pending + info.num_ack_pending > 0)
      backlog[info.name] = [info.num_pending, info.num_ack_pending];
  }
  return backlog;
}

/** Nothing to deliver, nothing unacknowledged, and nothing stored while that was looked at. */
export async function isDrained(connection: Connection, stream = ordersStream): Promise<boolean> {
  const before = await readLastSequence(connection, stream);
  const backlog = await readBacklog(connection, stream);
  return Object.keys(backlog).length === 0 && before === (await readLastSequence(connection, stream));
}
