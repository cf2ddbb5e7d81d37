import { OrderctlError } from "../core/errors.ts";
import { readLast, type StoredMessage } from "../jetstream/streams/read-message.ts";
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
  /** The span that stored it. */
  trace: SpanContext | undefined;
};

/** A message of the log that is not the event that its subject says, and why. */
export type FalseMessage = { sequence: number; subject: string; fault: string };

/** What the log holds under the subjects of a key, each in stream order. */
export type LoggedKey<E extends FlowEvent = FlowEvent> = {
  events: LoggedEvent<E>[];
  falseMessages: FalseMessage[];
};

/** Everything the log holds about one key; no event for an unknown one. One read for each kind, whatever the size of the log. */
export async function readKey<E extends FlowEvent>(
  { connection, flow }: FlowLog<E>,
  key: string,
): Promise<LoggedKey<E>> {
  const reads = flow.kinds.map(async (kind) => {
    const message = await readLast(connection, flow.stream, flow.subjectOf(kind, key));
    return message && { kind, key, message };
  });
  const found = (await Promise.all(reads)).filter((each) => each !== undefined);
  return sortOut(flow, found);
}

type Found = { kind: string; key: string; message: StoredMessage };

/** `found` has causes before what follows from them: what follows from a message that is no event is none either. */
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

/** Throws `bad_message` where it cannot be decoded. */
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

/** An event's kind and its place in the log. */
export type PlacedKind = { kind: string; sequence: number };

/**
 * The event of the same key that another one claims to follow from and that was stored after it, which shows that it was made up:
 * nobody stored it because of that. Undefined where a cause was stored before it, or none is in the log: its cause may have been
 * removed.
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
