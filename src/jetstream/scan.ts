import type { Consumer, ConsumerMessages, JsMsg, OrderedConsumerOptions } from "nats";
import type { OrderedPullConsumerImpl } from "nats/lib/jetstream/consumer.js";
import type { JsMsgImpl } from "nats/lib/jetstream/jsmsg.js";
import type { Connection } from "./connection.ts";
import { type DeliveryPlace, readDeliveryPlace } from "./delivery-place.ts";
import { fromNats } from "./nats-error.ts";
import { replyBytes } from "./raw-message.ts";
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
    // The client would try for a quarter of an hour to create one that the broker refuses.
    (consumer as OrderedPullConsumerImpl).maxInitialReset = 0;
    try {
      const { num_pending: ahead } = await consumer.info();
      const last = scan.follow ? Number.POSITIVE_INFINITY : state.last_seq;
      if (scan.follow || ahead > 0) await consume(consumer, { last, signal: scan.signal }, onMessage);
    } finally {
      await consumer.delete();
    }
  } catch (thrown) {
    throw fromNats(thrown, `read stream ${scan.stream}`);
  }
}

/** No delivery policy: the client sends a start sequence with each, and the broker takes only one of both. */
const orderedOptions = ({ filter, fromSequence = 1 }: Scan): Partial<OrderedConsumerOptions> => ({
  ...(filter === undefined ? {} : { filterSubjects: filter }),
  opt_start_seq: fromSequence,
});

async function consume(
  consumer: Consumer,
  { last, signal }: { last: number; signal: AbortSignal | undefined },
  onMessage: (message: StoredMessage) => void,
): Promise<void> {
  signal?.throwIfAborted();
  let done = false;
  let failure: { thrown: unknown } | undefined;
  const messages: ConsumerMessages = await consumer.consume({
    max_messages: batch,
    callback: (message) => {
      if (done) return;
      const place = readDeliveryPlace(replyBytes((message as JsMsgImpl).msg));
      failure = attempt(onMessage, storedMessage(message, place));
      const { sequence, pending } = place;
      const isLast = sequence >= last || (pending === 0 && last !== Number.POSITIVE_INFINITY);
      done = isLast || failure !== undefined;
      if (done) messages.stop();
    },
  });
  const stop = () => messages.stop();
  signal?.addEventListener("abort", stop, { once: true });
  // It may have aborted while the broker answered.
  if (signal?.aborted) stop();
  await messages.closed();
  signal?.removeEventListener("abort", stop);
  if (failure) throw failure.thrown;
}

/** An error that left the callback would end the client's read loop and with it, silently, the connection. */
function attempt(
  onMessage: (message: StoredMessage) => void,
  message: StoredMessage,
): { thrown: unknown } | undefined {
  try {
    onMessage(message);
    return undefined;
  } catch (thrown) {
    return { thrown };
  }
}

const storedMessage = (message: JsMsg, { sequence, storedAtUs }: DeliveryPlace): StoredMessage => ({
  subject: message.subject,
  sequence,
  storedAtUs,
  payload: message.data,
  header: headerReader(message.headers),
});
