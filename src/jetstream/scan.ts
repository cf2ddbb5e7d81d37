import { setTimeout as wait } from "node:timers/promises";
import {
  type Consumer,
  ConsumerEvents,
  type ConsumerMessages,
  type JsMsg,
  nanos,
  type OrderedConsumerOptions,
} from "nats";
import type { OrderedPullConsumerImpl } from "nats/lib/jetstream/consumer.js";
import type { JsMsgImpl } from "nats/lib/jetstream/jsmsg.js";
import { untilAborted } from "../until-aborted.ts";
import type { Connection } from "./connection.ts";
import { type DeliveryPlace, readDeliveryPlace } from "./delivery-place.ts";
import { electionMs, leaderless } from "./election.ts";
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

type Range = Scan & { fromSequence: number; last: number };

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
    const last = scan.follow ? Number.POSITIVE_INFINITY : state.last_seq;
    const range = { fromSequence: 1, ...scan, last };
    const onNext = (message: StoredMessage) => {
      onMessage(message);
      range.fromSequence = message.sequence + 1;
    };
    let reader: Reader | undefined = await openReader(connection, range);
    while (reader && (await readOn(connection, { ...reader, range }, onNext)))
      reader = await reopenReader(connection, range);
  } catch (thrown) {
    throw fromNats(thrown, `read stream ${scan.stream}`);
  }
}

type Reader = { consumer: Consumer; ahead: number };

async function openReader({ nats, timeoutMs, apiPrefix }: Connection, range: Range): Promise<Reader> {
  const jetstream = nats.jetstream({ timeout: timeoutMs, apiPrefix });
  const consumer = await jetstream.consumers.get(range.stream, orderedOptions(range));
  const client = consumer as OrderedPullConsumerImpl;
  // It would try for a quarter of an hour to create one that the broker refuses.
  client.maxInitialReset = 0;
  // One whose process died would be there, and be lagging, for five minutes; the option counts only without a sequence.
  const configOf = client.getConsumerOpts.bind(client);
  client.getConsumerOpts = (sequence) => ({ ...configOf(sequence), inactive_threshold: nanos(inactiveMs) });
  return { consumer, ahead: (await consumer.info()).num_pending };
}

/** True when the reader was lost before the end of the range; `range` then begins where it was. */
async function readOn(
  { isClustered }: Connection,
  { consumer, ahead, range }: Reader & { range: Range },
  onMessage: (message: StoredMessage) => void,
): Promise<boolean> {
  const lost = isClustered() ? new AbortController() : undefined;
  const timer = lost && watchReader(consumer, lost);
  let isOver = true;
  try {
    const isAsked = range.follow || ahead > 0;
    if (isAsked) isOver = await consume(consumer, { ...range, lost }, onMessage);
  } finally {
    clearInterval(timer);
    const deleted = consumer.delete().catch(() => undefined);
    // That of a lost one may never be answered, nor by a broker that hangs; it goes by itself.
    if (!lost?.signal.aborted) await (range.signal ? untilAborted(deleted, range.signal, retryMs) : deleted);
  }
  return !isOver && !range.signal?.aborted;
}

const watchMs = 4000;
const retryMs = 500;
const inactiveMs = 30_000;

/** A reader is on one node of a cluster; where that is gone the client would wait for it to come back. */
const watchReader = (consumer: Consumer, lost: AbortController): NodeJS.Timeout =>
  setInterval(() => void consumer.info().catch(() => lost.abort()), watchMs);

/** Not every node knows a new reader at once; a request that nobody took would be sent again after 45 s only. */
async function watchRequests(messages: ConsumerMessages, lost: AbortController): Promise<void> {
  for await (const { type } of await messages.status())
    if (type === ConsumerEvents.NoResponders) lost.abort();
}

/** Until a leader is elected the broker refuses another reader, or does not answer. Undefined where the signal aborts. */
async function reopenReader(connection: Connection, range: Range): Promise<Reader | undefined> {
  const deadline = performance.now() + electionMs;
  while (!range.signal?.aborted) {
    await wait(retryMs);
    try {
      return await openReader(connection, range);
    } catch (thrown) {
      const { code } = fromNats(thrown, `read stream ${range.stream}`);
      if (!leaderless.has(code) || performance.now() > deadline) throw thrown;
    }
  }
  return undefined;
}

/** No delivery policy: the client sends a start sequence with each, and the broker takes only one of both. */
const orderedOptions = ({ filter, fromSequence }: Range): Partial<OrderedConsumerOptions> => ({
  ...(filter === undefined ? {} : { filterSubjects: filter }),
  opt_start_seq: fromSequence,
});

/** False where the signal ended it before the last message. */
async function consume(
  consumer: Consumer,
  { last, lost, ...range }: Range & { lost: AbortController | undefined },
  onMessage: (message: StoredMessage) => void,
): Promise<boolean> {
  const signal = AbortSignal.any([range.signal, lost?.signal].filter((each) => each !== undefined));
  signal.throwIfAborted();
  let done = false;
  let isAborted = false;
  let failure: { thrown: unknown } | undefined;
  const messages: ConsumerMessages = await consumer.consume({
    max_messages: batch,
    callback: (message) => {
      if (done || isAborted) return;
      const place = readDeliveryPlace(replyBytes((message as JsMsgImpl).msg));
      failure = attempt(onMessage, storedMessage(message, place));
      const { sequence, pending } = place;
      const isLast = sequence >= last || (pending === 0 && last !== Number.POSITIVE_INFINITY);
      done = isLast || failure !== undefined;
      if (done) messages.stop();
    },
  });
  if (lost) void watchRequests(messages, lost);
  // The client may go on with a consumer that it was just making anew: what that brings is not for this reader.
  const stop = () => {
    isAborted = true;
    messages.stop();
  };
  signal.addEventListener("abort", stop, { once: true });
  // It may have aborted while the broker answered.
  if (signal.aborted) stop();
  await messages.closed();
  signal.removeEventListener("abort", stop);
  if (failure) throw failure.thrown;
  return done;
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
