import { OrderctlError } from "../core/errors.ts";
import { isoTime } from "../core/iso-time.ts";
import { type LoggedOrder, readOrder } from "../flow/order-log.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { deleteMessage } from "../jetstream/dead-letters/dead-letter-store.ts";
import { readBySequence } from "../jetstream/streams/read-message.ts";
import { causesOf } from "../orders/causes.ts";
import type { EventKind } from "../orders/events.ts";
import { ordersStream, parseSubject } from "../orders/subjects.ts";
import { findMessageFault } from "../orders/wire/codec.ts";
import { decodeHop, hopHeader } from "../telemetry/hop.ts";
import { findDeadLetters } from "./filter.ts";

/** Whose permissions suffice to store an event of a kind, as `docs/security.md` has them. */
const storedBy: Readonly<Record<EventKind, readonly string[]>> = {
  created: ["order", "publisher"],
  payments: ["payment"],
  reservations: ["inventory"],
  shipments: ["shipping"],
  refunds: ["payment"],
  notifications: ["notification"],
};

/** A message of the log, and why it cannot be the event that its subject says; `null` where it can. */
export type FalseEvent = {
  sequence: number;
  subject: string;
  storedAt: string;
  fault: string | null;
  payloadBytes: number;
  orderId: string | null;
  /** The users that may store such an event; who has the rights of an admin may as well. */
  storedBy: readonly string[];
  /** Who its header says has stored it, which is no proof; `null` where that says nothing. */
  claimedBy: string | null;
  /** Dead letters that are copies of it, and those of its order that wait for somebody to decide. */
  copies: number[];
  waiting: number[];
};

export type Removal = FalseEvent & { removed: boolean };

/** Rejects with `not_found` where the log holds no such message. */
export async function readFalseEvent(connection: Connection, sequence: number): Promise<FalseEvent> {
  const message = await readBySequence(connection, ordersStream, sequence);
  if (!message) throw gone(connection, sequence);
  const { subject, payload, storedAtUs, header } = message;
  const place = parseSubject(subject);
  const hop = decodeHop(header(hopHeader));
  const order = place && (await readOrder(connection, place.orderId));
  const letters = place ? await findDeadLetters(connection, { orderId: place.orderId }) : [];
  const copies = letters.filter(({ letter }) => letter.storedSequence === sequence);
  const waiting = letters.filter(({ letter }) => letter.storedSequence !== sequence);
  return {
    sequence,
    subject,
    storedAt: isoTime(storedAtUs),
    fault: findMessageFault(subject, payload) ?? (order && causeFault(order, sequence)) ?? null,
    payloadBytes: payload.length,
    orderId: place?.orderId ?? null,
    storedBy: place ? storedBy[place.kind] : [],
    claimedBy: hop ? `${hop.service}/${hop.instance}` : null,
    copies: copies.map(({ letter }) => letter.sequence),
    waiting: waiting.map(({ letter }) => letter.sequence),
  };
}

/** Why an event cannot have been stored because of another one. */
function causeFault({ events, falseMessages }: LoggedOrder, sequence: number): string | undefined {
  const told = falseMessages.find((message) => message.sequence === sequence);
  if (told) return told.fault;
  const kind = events.find((logged) => logged.sequence === sequence)?.event.kind;
  const isRoot = kind === undefined || causesOf[kind].length === 0;
  const hasCause = events.some(({ event }) => kind && causesOf[kind].includes(event.kind));
  return isRoot || hasCause ? undefined : "the log holds nothing that it would follow from";
}

/**
 * Removes a message from the log, so that the event whose place it takes can be stored. Rejects with `usage` where it is an
 * event, unless `force`; with `not_found` where it is gone.
 */
export async function removeFalseEvent(
  connection: Connection,
  found: FalseEvent,
  { force, dryRun }: { force: boolean; dryRun: boolean },
): Promise<Removal> {
  const { sequence, subject, fault } = found;
  if (fault === null && !force)
    throw new OrderctlError("usage", `message ${sequence} is an event as it should be: ${subject}`, {
      hint: "the order may have gone on because of it; --force removes it all the same",
    });
  if (dryRun) return { ...found, removed: false };
  if (!(await deleteMessage(connection, ordersStream, sequence))) throw gone(connection, sequence);
  return { ...found, removed: true };
}

const gone = ({ server }: Connection, sequence: number): OrderctlError =>
  new OrderctlError("not_found", `${ordersStream} holds no message ${sequence} at ${server}`, {
    hint: "`orderctl audit` tells the numbers of messages that cannot be read",
  });
