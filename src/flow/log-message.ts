import { readBySequence, readLast } from "../jetstream/streams/read-message.ts";
import { scanStream } from "../jetstream/streams/read-stream.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import { type FlowLog, type FlowShape, findFault } from "./flow.ts";

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
export async function readMessages(log: FlowLog, kind: string, key: string): Promise<StreamMessage[]> {
  const { connection, flow, archive } = log;
  if (!flow.isManaged) return scanForKey(log, key, [kind]);
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
  const isEvent = (message: StreamMessage) => findFault(log.flow, message) === undefined;
  return messages.find(isEvent) ?? messages[0];
}

/** What is in the broker of a flow's log. */
export type StreamOfFlow = Pick<FlowLog, "connection"> & { flow: FlowShape };

/**
 * The messages of some kinds of a key in a stream that may hold several of a kind, in the order of the log. All that
 * have their subjects are read, which is the whole stream where no subject tells keys apart.
 */
export async function scanForKey(
  { connection, flow }: StreamOfFlow,
  key: string,
  kinds: readonly string[],
): Promise<StreamMessage[]> {
  const found = new Map<number, StreamMessage>();
  const filters = new Set(kinds.map((kind) => flow.subjectOf(kind, isPlain(key) ? key : "*")));
  for (const filter of filters)
    await scanStream(connection, { stream: flow.stream, filter }, (message) => {
      const place = flow.placeOf(message);
      if (place?.key === key && kinds.includes(place.kind)) found.set(message.sequence, message);
    });
  return [...found.values()].sort((a, b) => a.sequence - b.sequence);
}

/** Another program may have written any other key in another way than orderctl would. */
const isPlain = (key: string): boolean => /^[A-Za-z0-9_-]+$/.test(key);

/** In the order of the log; a message that both hold is there once. */
export function mergeMessages(
  archived: readonly StreamMessage[],
  stored: readonly StreamMessage[],
): StreamMessage[] {
  const bySequence = new Map([...stored, ...archived].map((message) => [message.sequence, message]));
  return [...bySequence.values()].sort((a, b) => a.sequence - b.sequence);
}
