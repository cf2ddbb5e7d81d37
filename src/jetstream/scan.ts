import {
  type Consumer,
  type ConsumerMessages,
  DeliverPolicy,
  type JsMsg,
  type OrderedConsumerOptions,
} from "nats";
import type { Connection } from "./connection.ts";
import { fromNats } from "./nats-error.ts";
import { headerReader, type StoredMessage } from "./read-message.ts";

export type Scan = {
  stream: string;
  /** Only messages on this subject (wildcards allowed). */
  filter?: string;
  /** Where to begin; the first message by default. */
  fromSequence?: number;
  /** True to go on with what is stored later, until `signal` aborts. */
  follow?: boolean;
  signal?: AbortSignal;
};

const batch = 2000;

/**
 * Hands every stored message that the scan asks for to `onMessage`, in stream order, each once, through a
 * consumer of its own that is deleted afterwards. Without `follow` it resolves after the message that was the
 * last when the scan began. Rejects with `not_found` where there is no such stream.
 */
export async function scanStream(
  connection: Connection,
  scan: Scan,
  onMessage: (message: StoredMessage) => void,
): Promise<void> {
  try {
    const { state } = await connection.jsm.streams.info(scan.stream);
    const consumer = await connection.nats.jetstream().consumers.get(scan.stream, orderedOptions(scan));
    const { num_pending: ahead } = await consumer.info();
    const last = scan.follow ? Number.POSITIVE_INFINITY : state.last_seq;
    if (scan.follow || ahead > 0) await consume(consumer, { last, signal: scan.signal }, onMessage);
    await consumer.delete();
  } catch (thrown) {
    throw fromNats(thrown, `read stream ${scan.stream}`);
  }
}

const orderedOptions = ({ filter, fromSequence }: Scan): Partial<OrderedConsumerOptions> => ({
  ...(filter === undefined ? {} : { filterSubjects: filter }),
  ...(fromSequence === undefined
    ? { deliver_policy: DeliverPolicy.All }
    : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: fromSequence }),
});

async function consume(
  consumer: Consumer,
  { last, signal }: { last: number; signal: AbortSignal | undefined },
  onMessage: (message: StoredMessage) => void,
): Promise<void> {
  signal?.throwIfAborted();
  let done = false;
  const messages: ConsumerMessages = await consumer.consume({
    max_messages: batch,
    callback: (message) => {
      if (done) return;
      onMessage(storedMessage(message));
      const { streamSequence, pending } = message.info;
      if (streamSequence < last && (pending > 0 || last === Number.POSITIVE_INFINITY)) return;
      done = true;
      messages.stop();
    },
  });
  const stop = () => messages.stop();
  signal?.addEventListener("abort", stop, { once: true });
  await messages.closed();
  signal?.removeEventListener("abort", stop);
}

const storedMessage = (message: JsMsg): StoredMessage => ({
  subject: message.subject,
  sequence: message.info.streamSequence,
  storedAtUs: Math.floor(message.info.timestampNanos / 1000),
  payload: message.data,
  header: headerReader(message.headers),
});
