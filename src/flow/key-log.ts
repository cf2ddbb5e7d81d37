import { OrderctlError } from "../core/errors.ts";
import { readLast, type StoredMessage } from "../jetstream/streams/read-message.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import { decodeHop, type Hop, hopHeader } from "../telemetry/hop.ts";
import { parseTraceparent, type SpanContext } from "../telemetry/tracing/span.ts";
import { type Flow, type FlowEvent, type FlowLog, type FlowShape, findFault } from "./flow.ts";
import { mergeMessages, type StreamOfFlow, scanForKey } from "./log-message.ts";

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
export type FalseMessage = {
  sequence: number;
  subject: string;
  fault: string;
  /** The sequence of the archived event that it repeats; `null` for a message that is no repeat. */
  repeatOf: number | null;
  /** An archived message cannot be removed, and once it has left the broker it takes no event's place. */
  isArchived: boolean;
};

/** What the log holds under the subjects of one key, both lists in the order of the log. */
export type LoggedKey<E extends FlowEvent = FlowEvent> = {
  events: LoggedEvent<E>[];
  falseMessages: FalseMessage[];
};

/**
 * Reads everything the log holds about one key, in the stream and in the archive; both lists are empty for an unknown
 * key. One read per kind, whatever the size of the stream, and what `ArchivedLog.readKey` takes. Rejects with
 * `unavailable` when the archive cannot be read.
 */
export async function readKey<E extends FlowEvent>(log: FlowLog<E>, key: string): Promise<LoggedKey<E>> {
  const { flow, archive } = log;
  const stored = await (flow.isManaged ? readStored(log, key) : scanForKey(log, key, flow.kinds));
  // The stream comes first: what has left it by then is in the archive.
  return sortOut(flow, { key, stored, archived: await archive.readKey(key) });
}

async function readStored({ connection, flow }: StreamOfFlow, key: string): Promise<StreamMessage[]> {
  const reads = flow.kinds.map((kind) => readLast(connection, flow.stream, flow.subjectOf(kind, key)));
  return (await Promise.all(reads)).filter((each) => each !== undefined);
}

/** What the archive alone holds about one key. Rejects with `unavailable` when it cannot be read. */
export const readArchivedKey = async <E extends FlowEvent>(
  { flow, archive }: Pick<FlowLog<E>, "flow" | "archive">,
  key: string,
): Promise<LoggedKey<E>> => sortOut(flow, { key, stored: [], archived: await archive.readKey(key) });

/** All messages of a key, each list in the order of the log. */
type Found = { key: string; stored: readonly StreamMessage[]; archived: readonly StreamMessage[] };

/** The first valid message of each kind is the event; those that are not valid do not count as causes. */
function sortOut<E extends FlowEvent>(flow: Flow<E>, { key, stored, archived }: Found): LoggedKey<E> {
  const messages = mergeMessages(archived, stored);
  const archivedTo = archived.at(-1)?.sequence ?? 0;
  const logged: LoggedKey<E> = { events: [], falseMessages: [] };
  // Causes come before their effects.
  const found = flow.kinds.flatMap((kind) =>
    messages
      .filter((message) => flow.placeOf(message)?.kind === kind)
      .map((message) => ({ kind, key, message })),
  );
  for (const placed of found) {
    const event = logged.events.find(({ kind }) => kind === placed.kind);
    const fault = event ? repeats(flow, event) : faultOf(flow, placed, logged.events);
    if (fault === undefined) logged.events.push(loggedEvent(flow, placed));
    else logged.falseMessages.push(falseMessage(placed.message, { fault, event, archivedTo }));
  }
  logged.events.sort(bySequence);
  logged.falseMessages.sort(bySequence);
  return logged;
}

type Refuted = { fault: string; event: PlacedKind | undefined; archivedTo: number };

const falseMessage = (
  { sequence, subject }: StoredMessage,
  { fault, event, archivedTo }: Refuted,
): FalseMessage => ({
  ...{ sequence, subject, fault },
  repeatOf: event?.sequence ?? null,
  isArchived: sequence <= archivedTo,
});

const repeats = ({ isManaged }: FlowShape, { sequence }: PlacedKind): string =>
  isManaged ? `it is a repeat of archived message ${sequence}` : `it comes after message ${sequence}`;

/** Why a message cannot be the event that its subject names; undefined when it can. */
function faultOf(flow: Flow, { kind, message }: Placed, placed: readonly PlacedKind[]): string | undefined {
  const { sequence } = message;
  const later = findLaterCause(flow, { kind, sequence }, placed);
  return findFault(flow, message) ?? (later && storedTooEarly(later.sequence));
}

const bySequence = (a: { sequence: number }, b: { sequence: number }): number => a.sequence - b.sequence;

/** The error for a key of which the log holds nothing but false messages, or for an event whose place one takes. */
export const takenBy = (message: FalseMessage, code: "conflict" | "bad_message"): OrderctlError => {
  const { sequence, subject, fault } = message;
  return new OrderctlError(
    code,
    `message ${sequence} takes the place of ${subject} and is no such event: ${fault}`,
    { hint: remedyFor(message), source: "message" },
  );
};

/** What to do about a false message. Only one in the stream keeps an event from being stored, and can be removed. */
export function remedyFor({ sequence, repeatOf: earlier, isArchived }: FalseMessage): string {
  if (earlier !== null) return `there is nothing to do: message ${earlier} counts`;
  if (isArchived) return "it is archived, so it stays; once it has left the broker, its place is free";
  return `who may have stored it, and away with it: orderctl dlq remove-event ${sequence}`;
}

/** The fault of an event that was stored before its cause. */
export const storedTooEarly = (causeSequence: number): string =>
  `it was stored before message ${causeSequence}, which it would follow from`;

type Placed = { kind: string; key: string; message: StoredMessage };

/** Throws `bad_message` when the message cannot be decoded. */
export const loggedEvent = <E extends FlowEvent>(
  flow: Flow<E>,
  { kind, key, message }: Placed,
): LoggedEvent<E> => ({
  kind,
  key,
  event: flow.decode(message.subject, message.payload, message),
  sequence: message.sequence,
  storedAtUs: message.storedAtUs,
  hop: decodeHop(message.header(hopHeader)),
  trace: parseTraceparent(message.header("traceparent")),
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
