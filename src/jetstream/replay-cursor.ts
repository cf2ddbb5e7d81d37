import type { ConsumerConfig, Msg, Subscription } from "nats";
import type { Connection } from "./connection.ts";
import { fromNats } from "./nats-error.ts";
import { type ReplayMessage, replayMessage } from "./replay-message.ts";
import { durationNs } from "./topology.ts";

/** Where a cursor begins: at a sequence, or at the first message stored at a time (Unix µs) or later. */
export type CursorStart = { sequence: number } | { timeUs: number };

export type CursorPlace = {
  stream: string;
  /** Only messages on this subject (wildcards allowed). */
  filter?: string | undefined;
  start: CursorStart;
  /** The last sequence that is read, and the latest time (Unix µs) at which a message was stored. */
  toSequence: number;
  untilUs?: number | undefined;
};

/** What one pull brings at most; two are held at a time, one that is worked on and the next. */
const pullMessages = 1000;
const pullBytes = 2 * 1024 * 1024;
const pullExpiresMs = 1000;
/** A pull whose end the broker never told is given up after this. */
const pullLostMs = 3000;
/** The broker drops a cursor that nobody asks anything; whoever is slower opens another. */
const idleMs = 5 * 60_000;

/**
 * Reads a stream forward through a consumer of its own, in batches, the next of which is fetched while the last one is
 * worked on: whoever reads slowly holds no more for that. It is of no use any more once a batch is empty.
 */
export class ReplayCursor {
  readonly #connection: Connection;
  readonly #stream: string;
  readonly #consumer: string;
  readonly #toSequence: number;
  readonly #untilUs: number;
  #delivered = 0;
  #pending: number;
  #broken = false;
  #ahead: Promise<Msg[]> | undefined;

  private constructor(
    connection: Connection,
    { stream, toSequence, untilUs = Number.POSITIVE_INFINITY }: CursorPlace,
    consumer: { name: string; pending: number },
  ) {
    this.#connection = connection;
    this.#stream = stream;
    this.#toSequence = toSequence;
    this.#untilUs = untilUs;
    this.#consumer = consumer.name;
    this.#pending = consumer.pending;
  }

  /** Rejects with `not_found` where there is no such stream. */
  static async open(connection: Connection, place: CursorPlace): Promise<ReplayCursor> {
    const { stream, filter, start } = place;
    const config = {
      ...startOf(start),
      ...(filter === undefined ? {} : { filter_subject: filter }),
      ack_policy: "none",
      inactive_threshold: durationNs(idleMs),
      mem_storage: true,
      num_replicas: 1,
    };
    try {
      const info = await connection.jsm.consumers.add(stream, config as Partial<ConsumerConfig>);
      return new ReplayCursor(connection, place, { name: info.name, pending: info.num_pending });
    } catch (thrown) {
      throw fromNats(thrown, `read stream ${stream}`);
    }
  }

  /** Messages that it was not handed yet, as far as the broker told; before the first batch also those beyond the end. */
  get pending(): number {
    return this.#pending;
  }

  /** The next messages; none where there are no more, or where something was lost on the way. */
  async next(signal: AbortSignal): Promise<ReplayMessage[]> {
    if (this.#pending === 0 || this.#broken) return [];
    const batch = await (this.#ahead ?? this.#pull(this.#pending, signal));
    const found: ReplayMessage[] = [];
    for (const each of batch) {
      const message = this.#accept(each);
      if (!message) break;
      found.push(message);
    }
    this.#ahead = this.#broken || this.#pending === 0 ? undefined : this.#pull(this.#pending, signal);
    return found;
  }

  async close(): Promise<void> {
    const { jsm, isConnected } = this.#connection;
    // One that cannot be deleted goes by itself.
    if (!isConnected()) return;
    await jsm.consumers.delete(this.#stream, this.#consumer).catch(() => undefined);
  }

  /** Undefined for what is beyond the end, and for what came after something that was lost. */
  #accept(each: Msg): ReplayMessage | undefined {
    const { place, message } = replayMessage(each);
    this.#broken = place.deliverySequence !== this.#delivered + 1;
    if (this.#broken) return undefined;
    this.#delivered = place.deliverySequence;
    const isBeyond = message.sequence > this.#toSequence || message.storedAtUs > this.#untilUs;
    this.#pending = isBeyond || message.sequence === this.#toSequence ? 0 : place.pending;
    return isBeyond ? undefined : message;
  }

  #pull(available: number, signal: AbortSignal): Promise<Msg[]> {
    const batch = Math.min(available, pullMessages);
    const subject = `${this.#connection.apiPrefix}.CONSUMER.MSG.NEXT.${this.#stream}.${this.#consumer}`;
    const maxBytes = pullBytes + this.#connection.frames.maxPayloadBytes;
    return pull(this.#connection, { subject, batch, maxBytes, signal });
  }
}

const startOf = (start: CursorStart) =>
  "sequence" in start
    ? { deliver_policy: "by_start_sequence", opt_start_seq: Math.max(1, start.sequence) }
    : { deliver_policy: "by_start_time", opt_start_time: timeText(start.timeUs) };

/** RFC 3339 with µs. */
const timeText = (us: number): string =>
  new Date(Math.floor(us / 1000)).toISOString().replace("Z", `${String(us % 1000).padStart(3, "0")}Z`);

type Pull = { subject: string; batch: number; maxBytes: number; signal: AbortSignal };

/**
 * What one pull brings: as many messages as it asked for, or those that came before the broker ended it with a status
 * message, the time was up or the signal aborted. Never rejects.
 */
function pull({ nats, newInbox }: Connection, { subject, batch, maxBytes, signal }: Pull): Promise<Msg[]> {
  return new Promise((resolve) => {
    const messages: Msg[] = [];
    const inbox = newInbox();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      subscription.unsubscribe();
      resolve(messages);
    };
    const timer = setTimeout(end, pullLostMs);
    const subscription: Subscription = nats.subscribe(inbox, {
      callback: (error, message) => {
        if (error || isEnd(message)) return end();
        if (isStatus(message)) return;
        messages.push(message);
        if (messages.length === batch) end();
      },
    });
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) return end();
    const request = { batch, max_bytes: maxBytes, expires: durationNs(pullExpiresMs) };
    nats.publish(subject, JSON.stringify(request), { reply: inbox });
  });
}

const isStatus = (message: Msg): boolean =>
  !message.reply && message.data.length === 0 && (message.headers?.code ?? 0) > 0;

/** 100 is a sign of life. */
const isEnd = (message: Msg): boolean => isStatus(message) && (message.headers?.code ?? 0) >= 200;
