import { OrderctlError } from "../core/errors.ts";
import {
  readBySequence,
  readLast,
  type StoredMessage,
  type WholeMessage,
} from "../jetstream/streams/read-message.ts";
import { decodeHop, type Hop, hopHeader } from "../telemetry/hop.ts";
import { parseTraceparent, type SpanContext } from "../telemetry/tracing/span.ts";
import { type Flow, type FlowEvent, type FlowLog, type FlowShape, findFault } from "./flow.ts";

/** An event of a key as the log holds it. */
export type LoggedEvent<E extends FlowEvent = FlowEvent> = {
  kind: string;
  key: string;
  event: E;
  sequence: number;
  /** By the broker's clock. */
  storedAtUs: number;
  hop: Hop | undefined;
  /** The span that stored the event. */
  trace: SpanContext | undefined;
};

/** A message in the log that is not the event its subject names, and why. */
export type FalseMessage = { sequence: number; subject: string; fault: string };

/** What the log holds under the subjects of one key, both lists in stream order. */
export type LoggedKey<E extends FlowEvent = FlowEvent> = {
  events: LoggedEvent<E>[];
  falseMessages: FalseMessage[];
};

/**
 * Reads everything the log holds about one key, in the stream and in the archive; both lists are empty for an unknown
 * key. One read per kind, whatever the size of the log. Of two events of a kind the first one stored counts: the other
 * is a repeat, told as a false message. Rejects with `unavailable` when the archive cannot be read.
 */
export async function readKey<E extends FlowEvent>(log: FlowLog<E>, key: string): Promise<LoggedKey<E>> {
  const { connection, flow } = log;
  const reads = flow.kinds.map((kind) => readLast(connection, flow.stream, flow.subjectOf(kind, key)));
  const held = (await Promise.all(reads)).filter((message) => message !== undefined);
  // Read after the stream: what had left that by then is here.
  const archived = await log.archive.readKey(key);
  const messages = [...archived, ...held].sort(bySequence);
  const firsts = flow.kinds.flatMap((kind) => {
    const message = messages.find(({ subject }) => subject === flow.subjectOf(kind, key));
    return message ? [{ kind, key, message }] : [];
  });
  const logged = sortOut(flow, firsts);
  logged.falseMessages.push(...repeatsAmong(messages, firsts));
  logged.falseMessages.sort(bySequence);
  return logged;
}

type Found = { kind: string; key: string; message: StoredMessage };

const repeatsAmong = (messages: readonly StoredMessage[], firsts: readonly Found[]): FalseMessage[] =>
  messages.flatMap(({ sequence, subject }) => {
    const first = firsts.find(({ message }) => message.subject === subject);
    if (!first || first.message.sequence === sequence) return [];
    return [{ sequence, subject, fault: `it repeats message ${first.message.sequence}, which is archived` }];
  });

/**
 * The event under a subject, in the stream or, where that has none, in the archive; undefined where neither has one.
 * Rejects with `unavailable` when the archive cannot be read.
 */
export async function readEvent(
  { connection, flow, archive }: FlowLog,
  subject: string,
): Promise<StoredMessage | undefined> {
  const held = await readLast(connection, flow.stream, subject);
  const place = held ? undefined : flow.parseSubject(subject);
  if (!place) return held;
  return (await archive.readKey(place.key)).find((message) => message.subject === subject);
}

/** As `readEvent`, by the sequence of a message. */
export async function readMessage(
  { connection, flow, archive }: FlowLog,
  sequence: number,
): Promise<WholeMessage | undefined> {
  const held = await readBySequence(connection, flow.stream, sequence);
  return held ?? (await archive.readBySequence(sequence));
}

/**
 * `found` lists causes before their effects. A message that is not a valid event is left out of `placed`, so it does
 * not count as a cause.
 */
function sortOut<E extends FlowEvent>(flow: Flow<E>, found: readonly Found[]): LoggedKey<E> {
  const logged: LoggedKey<E> = { events: [], falseMessages: [] };
  const placed: PlacedKind[] = [];
  for (const { kind, key, message } of found) {
    const { sequence, subject, payload } = message;
    const later = findLaterCause(flow, { kind, sequence }, placed);
    const fault = findFault(flow, subject, payload) ?? (later && storedTooEarly(later.sequence));
    if (fault !== undefined) logged.falseMessages.push({ sequence, subject, fault });
    else {
      logged.events.push(loggedEvent(flow, { kind, key, message }));
      placed.push({ kind, sequence });
    }
  }
  logged.events.sort(bySequence);
  logged.falseMessages.sort(bySequence);
  return logged;
}

const bySequence = (a: { sequence: number }, b: { sequence: number }): number => a.sequence - b.sequence;

/**
 * The error for a subject that a false message occupies: the real event cannot be stored until the message is removed.
 */
export const takenBy = (
  { sequence, subject, fault }: FalseMessage,
  code: "conflict" | "bad_message",
): OrderctlError =>
  new OrderctlError(
    code,
    `message ${sequence} takes the place of ${subject} and is no such event: ${fault}`,
    {
      hint: `who may have stored it, and away with it: orderctl dlq remove-event ${sequence}`,
      source: "message",
    },
  );

/** The fault of an event that was stored before its cause. */
export const storedTooEarly = (causeSequence: number): string =>
  `it was stored before message ${causeSequence}, which it would follow from`;

/** Throws `bad_message` when the message cannot be decoded. */
export const loggedEvent = <E extends FlowEvent>(
  flow: Flow<E>,
  { kind, key, message: { subject, payload, sequence, storedAtUs, header } }: Found,
): LoggedEvent<E> => ({
  kind,
  key,
  event: flow.decode(subject, payload),
  sequence,
  storedAtUs,
  hop: decodeHop(header(hopHeader)),
  trace: parseTraceparent(header("traceparent")),
});

/** An event's kind and its sequence in the log. */
export type PlacedKind = { kind: string; sequence: number };

/**
 * A possible cause of an event that was stored after it, which proves the event false: it cannot have followed from
 * that cause. Undefined when some cause was stored before the event, or when the log holds no cause at all, which may
 * have been removed.
 */
export function findLaterCause<E extends PlacedKind>(
  flow: FlowShape,
  { kind, sequence }: PlacedKind,
  events: readonly E[],
): E | undefined {
  const causes = events.filter((event) => flow.causesOf(kind).includes(event.kind));
  if (causes.some((cause) => cause.sequence < sequence)) return undefined;
  if (causes[0]) return causes[0];
  for (const before of flow.causesOf(kind)) {
    const later = findLaterCause(flow, { kind: before, sequence }, events);
    if (later) return later;
  }
  return undefined;
}
