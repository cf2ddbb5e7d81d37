import { readBySequence, readLast } from "../jetstream/streams/read-message.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import { type FlowLog, findFault } from "./flow.ts";

/**
 * The message with a sequence, from the stream or the archive; undefined if it is gone or was never stored. Rejects with
 * `unavailable` when the archive cannot be read and the stream does not hold it.
 */
export async function readMessage(
  { connection, flow, archive }: FlowLog,
  sequence: number,
): Promise<StreamMessage | undefined> {
  // The stream comes first: what has left it by then is in the archive.
  const stored = await readBySequence(connection, flow.stream, sequence);
  return stored ?? archive.readBySequence(sequence);
}

/** All messages of one kind of a key, in the order of the log: those that are archived, and the one in the stream. */
export async function readMessages(
  { connection, flow, archive }: FlowLog,
  kind: string,
  key: string,
): Promise<StreamMessage[]> {
  const subject = flow.subjectOf(kind, key);
  const stored = await readLast(connection, flow.stream, subject);
  const archived = await archive.readKey(key);
  return mergeMessages(
    archived.filter((message) => message.subject === subject),
    stored ? [stored] : [],
  );
}

/**
 * The message that counts as the event of a kind of a key: the first one that can be decoded. Where none can, the first
 * one; undefined where there is none. Rejects with `unavailable` when the archive cannot be read.
 */
export async function readEvent(log: FlowLog, kind: string, key: string): Promise<StreamMessage | undefined> {
  const messages = await readMessages(log, kind, key);
  const isEvent = ({ subject, payload }: StreamMessage) =>
    findFault(log.flow, subject, payload) === undefined;
  return messages.find(isEvent) ?? messages[0];
}

/** In the order of the log; a message that both hold is there once. */
export function mergeMessages(
  archived: readonly StreamMessage[],
  stored: readonly StreamMessage[],
): StreamMessage[] {
  const bySequence = new Map([...stored, ...archived].map((message) => [message.sequence, message]));
  return [...bySequence.values()].sort((a, b) => a.sequence - b.sequence);
}
