import type { Connection } from "../jetstream/client/connection.ts";
import type { Origin } from "../jetstream/dead-letters/dead-letter.ts";
import { readBySequence, type WholeMessage } from "../jetstream/streams/read-message.ts";
import type { EventKind } from "../orders/events.ts";
import { serviceNames, stationsOf } from "../orders/services/registry.ts";
import { ordersStream } from "../orders/subjects.ts";

/** A copy of an event, and what is said of where it came from. */
export type Claim = { origin: Origin; payload: Uint8Array; consumes: EventKind };

/** What a consumer of a service works on; undefined where the service has no such consumer. */
export function consumedBy(service: string, consumer: string): EventKind | undefined {
  const name = serviceNames.find((each) => each === service);
  return name && stationsOf(name).find((station) => station.consumer === consumer)?.consumes;
}

/** Why there is no such event. `isForged` where it never was; where the log holds none any more, somebody removed it. */
export type Unfounded = { why: string; isForged: boolean };

/**
 * The event that a copy is one of, as the log holds it, or why there is none. Whoever may store a copy may write into it what he
 * likes: it points to an event, and only what the log holds there is worked on. Rejects where the log cannot be read.
 */
export async function readClaimed(
  connection: Connection,
  { origin, payload, consumes }: Claim,
): Promise<WholeMessage | Unfounded> {
  const { stream, subject, sequence } = origin;
  const forged = (why: string): Unfounded => ({ why, isForged: true });
  if (stream !== ordersStream)
    return forged(`it says that it comes from ${stream}, and events are in ${ordersStream}`);
  if (!subject.startsWith(`${ordersStream}.${consumes}.`))
    return forged(`its consumer works on ${consumes}, not on ${subject}`);
  const held = await readBySequence(connection, ordersStream, sequence);
  if (!held)
    return { why: `${ordersStream} holds no event ${sequence}, of which it is a copy`, isForged: false };
  if (held.subject !== subject)
    return forged(`event ${sequence} of ${ordersStream} is ${held.subject}, not ${subject}`);
  if (Buffer.compare(held.payload, payload) !== 0)
    return forged(`it is not what ${ordersStream} holds as event ${sequence}, which it says it is a copy of`);
  return held;
}
