import { OrderctlError } from "../../core/errors.ts";
import type { Connection } from "../client/connection.ts";
import { fromNats } from "../client/nats-error.ts";
import { readLast, readNext, type StoredMessage } from "./read-message.ts";
import { scanStream } from "./read-stream.ts";

/** Up to here, asking for each message is faster than a consumer. */
const fewMessages = 64;

/**
 * Hands on every message that was stored under `subject`, from a sequence on, when it was called, in stream order, read from
 * the stream's leader; 0.4 ms each whatever the size of the stream. Rejects with `not_found` when there is no such stream.
 */
export async function readSubject(
  connection: Connection,
  { stream, subject, from = 1 }: { stream: string; subject: string; from?: number },
  onMessage: (message: StoredMessage) => void,
): Promise<void> {
  const readFrom = (seq: number) => readNext(connection, stream, { seq, next_by_subj: subject });
  let count = 0;
  let sequence = from;
  // Knowing the last one saves the question that would be answered with nothing.
  const [last, first] = await Promise.all([readLast(connection, stream, subject), readFrom(from)]);
  for (let message = first; message && count < fewMessages; message = await readFrom(sequence)) {
    onMessage(message);
    count += 1;
    sequence = message.sequence + 1;
    if (message.sequence >= (last?.sequence ?? 0)) return;
  }
  if (count < fewMessages) return;
  await scanStream(connection, { stream, filter: subject, start: { sequence } }, onMessage);
}

/**
 * Hands on every message stored under `subject` (wildcards allowed), in stream order. Where this user may make no consumer
 * it asks for one after the other, which takes 0.4 ms each.
 */
export async function readEach(
  connection: Connection,
  { stream, subject }: { stream: string; subject: string },
  onMessage: (message: StoredMessage) => void,
): Promise<void> {
  let seq = 1;
  const onNext = (message: StoredMessage) => {
    onMessage(message);
    seq = message.sequence + 1;
  };
  try {
    await scanStream(connection, { stream, filter: subject }, onNext);
  } catch (thrown) {
    if (!(thrown instanceof OrderctlError) || thrown.code !== "denied") throw thrown;
    const readOn = () => readNext(connection, stream, { seq, next_by_subj: subject });
    for (let message = await readOn(); message; message = await readOn()) onNext(message);
  }
}

/** How many subjects a stream holds messages of. */
export async function countSubjects({ jsm }: Connection, stream: string): Promise<number> {
  try {
    return (await jsm.streams.info(stream)).state.num_subjects ?? 0;
  } catch (thrown) {
    throw fromNats(thrown, `read stream ${stream}`);
  }
}
