import { OrderctlError } from "../../core/errors.ts";
import type { Connection } from "../client/connection.ts";
import { fromNats } from "../client/nats-error.ts";
import { readLast, readNext, type StoredMessage } from "./read-message.ts";
import { scanStream } from "./read-stream.ts";

/** Up to this many messages, one request per message is faster than a consumer. */
const fewMessages = 64;

/**
 * Passes to `onMessage` every message that is stored under `subject` at the time of the call, from a sequence on, in
 * stream order, read from the stream's leader; 0.4 ms each, whatever the size of the stream. Rejects with `not_found`
 * when there is no such stream.
 */
export async function readSubject(
  connection: Connection,
  { stream, subject, from = 1 }: { stream: string; subject: string; from?: number },
  onMessage: (message: StoredMessage) => void,
): Promise<void> {
  const readFrom = (seq: number) => readNext(connection, stream, { seq, next_by_subj: subject });
  let count = 0;
  let sequence = from;
  // Knowing the last message saves a request that would find none.
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
 * Passes to `onMessage` every message stored under `subject` (wildcards allowed) from a sequence on, in stream order.
 * When this user may not create a consumer, it requests the messages one by one, which takes 0.4 ms each.
 */
export async function readEach(
  connection: Connection,
  { stream, subject, from }: { stream: string; subject: string; from: number },
  onMessage: (message: StoredMessage) => void,
): Promise<void> {
  let seq = from;
  const onNext = (message: StoredMessage) => {
    onMessage(message);
    seq = message.sequence + 1;
  };
  try {
    await scanStream(connection, { stream, filter: subject, start: { sequence: from } }, onNext);
  } catch (thrown) {
    if (!(thrown instanceof OrderctlError) || thrown.code !== "denied") throw thrown;
    const readOn = () => readNext(connection, stream, { seq, next_by_subj: subject });
    for (let message = await readOn(); message; message = await readOn()) onNext(message);
  }
}

/** How many subjects have messages in a stream. */
export async function countSubjects({ jsm }: Connection, stream: string): Promise<number> {
  try {
    return (await jsm.streams.info(stream)).state.num_subjects ?? 0;
  } catch (thrown) {
    throw fromNats(thrown, `read stream ${stream}`);
  }
}
