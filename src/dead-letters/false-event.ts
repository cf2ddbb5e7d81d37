import { OrderctlError } from "../core/errors.ts";
import { isoTime } from "../core/units.ts";
import { type Flow, type FlowLog, findFault } from "../flow/flow.ts";
import { type LoggedKey, readKey } from "../flow/key-log.ts";
import { readMessage } from "../flow/log-message.ts";
import { deleteMessage } from "../jetstream/dead-letters/dead-letter-store.ts";
import type { StoredMessage } from "../jetstream/streams/read-message.ts";
import { decodeHop, hopHeader } from "../telemetry/hop.ts";
import { findDeadLetters } from "./filter.ts";

/** A message of the log. `fault` is why it cannot be the event that its subject names; `null` when it can. */
export type FalseEvent = {
  sequence: number;
  subject: string;
  storedAt: string;
  fault: string | null;
  /** The archived event that it repeats; `null` for a message that is no repeat. */
  repeatOf: number | null;
  payloadBytes: number;
  orderId: string | null;
  /** True when it takes the place of the first event of an order: the order itself was never stored. */
  isFirst: boolean;
  /** The broker users that may store such an event; admins may as well. */
  storedBy: readonly string[];
  /** Who stored it according to its hop header, which proves nothing; `null` without that header. */
  claimedBy: string | null;
  /** The numbers of dead letters that copy this message, and of the order's other open ones. */
  copies: number[];
  waiting: number[];
};

export type Removal = FalseEvent & { removed: boolean };

/**
 * Rejects with `not_found` when the log holds no such message, with `usage` when it is archived, which nobody can undo,
 * and with `unavailable` when the archive cannot be read.
 */
export async function readFalseEvent(log: FlowLog, sequence: number): Promise<FalseEvent> {
  const { flow } = log;
  mustBeManaged(flow);
  const message = await readMessage(log, sequence);
  if (!message) throw gone(log, sequence);
  if (sequence <= (await log.archive.movedTo())) throw archived(message);
  const { subject, payload, storedAtUs, header } = message;
  const place = flow.parseSubject(subject);
  const hop = decodeHop(header(hopHeader));
  const logged = place && (await readKey(log, place.key));
  const letters = place ? await findDeadLetters(log, { orderId: place.key }) : [];
  const copies = letters.filter(({ letter }) => letter.storedSequence === sequence);
  const waiting = letters.filter(({ letter }) => letter.storedSequence !== sequence);
  return {
    sequence,
    subject,
    storedAt: isoTime(storedAtUs),
    fault: findFault(flow, message) ?? (logged && causeFault(flow, logged, sequence)) ?? null,
    repeatOf: logged?.falseMessages.find((told) => told.sequence === sequence)?.repeatOf ?? null,
    payloadBytes: payload.length,
    orderId: place?.key ?? null,
    isFirst: place?.kind === flow.firstKind,
    storedBy: place ? flow.storedBy(place.kind) : [],
    claimedBy: hop ? `${hop.service}/${hop.instance}` : null,
    copies: copies.map(({ letter }) => letter.sequence),
    waiting: waiting.map(({ letter }) => letter.sequence),
  };
}

function mustBeManaged({ isManaged, stream }: Flow): void {
  if (isManaged) return;
  throw new OrderctlError("usage", `nothing is removed from ${stream}: the stream is not orderctl's own`);
}

/** Why the log contradicts that a cause led to the event; undefined when it does not. */
function causeFault(flow: Flow, { events, falseMessages }: LoggedKey, sequence: number): string | undefined {
  const told = falseMessages.find((message) => message.sequence === sequence);
  if (told) return told.fault;
  const own = events.find((logged) => logged.sequence === sequence);
  const causes = own ? flow.causesOf(own.kind) : [];
  const hasCause = causes.length === 0 || events.some(({ kind }) => causes.includes(kind));
  return hasCause ? undefined : "the log holds nothing that it would follow from";
}

/**
 * Removes a message from the log, so that the real event with its subject can be stored. Rejects with `usage` when the
 * message is a valid event, unless `force` is set; with `not_found` when it is gone.
 */
export async function removeFalseEvent(
  log: FlowLog,
  found: FalseEvent,
  { force, dryRun }: { force: boolean; dryRun: boolean },
): Promise<Removal> {
  const { sequence, subject, fault } = found;
  if (fault === null && !force)
    throw new OrderctlError("usage", `message ${sequence} is an event as it should be: ${subject}`, {
      hint: "the order may have gone on because of it; --force removes it all the same",
    });
  if (dryRun) return { ...found, removed: false };
  if (!(await deleteMessage(log.connection, log.flow.stream, sequence))) throw gone(log, sequence);
  return { ...found, removed: true };
}

const archived = ({ sequence, subject }: StoredMessage): OrderctlError =>
  new OrderctlError("usage", `message ${sequence} is archived and cannot be removed: ${subject}`, {
    hint: "it takes no event's place once it has left the broker: what was given up on because of it can be redriven then",
  });

const gone = ({ connection: { server }, flow }: FlowLog, sequence: number): OrderctlError =>
  new OrderctlError("not_found", `${flow.stream} holds no message ${sequence} at ${server}`, {
    hint: "`orderctl audit` tells the numbers of messages that cannot be read",
  });
