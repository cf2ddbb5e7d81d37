import type { ConsumerConfig, ConsumerInfo, Msg, Subscription } from "nats";
import { ChangeSignal } from "../../core/change-signal.ts";
import { untilAborted, within } from "../../core/waiting.ts";
import type { Connection } from "../client/connection.ts";
import { fromNats } from "../client/nats-error.ts";
import { replyBytes } from "../client/raw-message.ts";
import { readDeliveryPlace } from "../consume/delivery.ts";
import { type StreamMessage, streamMessage } from "./stream-message.ts";
import { durationNs } from "./topology.ts";

/** Where reading begins: at a sequence, or at the first message stored at a time (Unix µs) or later. */
export type StreamStart = { sequence: number } | { timeUs: number };

export type CursorPlace = {
  stream: string;
  /** Only messages on this subject (wildcards allowed). */
  filter?: string | undefined;
  start: StreamStart;
};

/** What one pull brings at most; two are held at a time, one that is worked on and the next. */
const pullMessages = 2000;
const pullBytes = 2 * 1024 * 1024;
const pullExpiresMs = 1000;
/** A pull that brings nothing, not even its end, for this long beyond its time is lost. */
const leastSilenceMs = 2000;

/**
 * The broker drops a consumer that nobody pulls from. Each pull counts, and one that waits for messages is repeated every
 * second: what goes is the consumer of a process that died, and that of a reader who works on one batch for longer. That
 * reader opens another and goes on where it was, so a slow one does not stand in `lag` as somebody who is behind.
 */
const inactiveMs = 15_000;

/** How long the broker may take to delete a consumer; one that it does not goes by itself. */
const closeMs = 1000;

/** Statuses of a pull that found nothing: none there, time over. All others tell that there will be nothing. */
const foundNothing: ReadonlySet<number> = new Set([404, 408]);

/**
 * A consumer of the reader's own on a stream. Messages come in stream order, pulled in batches, the next of which is fetched
 * while the last one is worked on: whoever reads slowly holds no more for that. Once something has gone wrong it
 * hands over what it still has and is `lost`.
 */
export class StreamCursor {
  readonly #connection: Connection;
  readonly #stream: string;
  readonly #consumer: string;
  readonly #limits: PullLimits;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #changed = new ChangeSignal();
  readonly #forget: () => void;
  /** The stream's sequence at which the broker set it. */
  readonly firstSequence: number;
  #silence: NodeJS.Timeout | undefined;
  #batch: StreamMessage[] = [];
  #pulls = 0;
  /** What the pull under way may still bring, and what it brought; 0 to come where none is. */
  #toCome = 0;
  #brought = 0;
  #delivered = 0;
  #pending: number;
  #lost: string | undefined;

  private constructor(connection: Connection, inbox: string, info: ConsumerInfo) {
    this.#connection = connection;
    this.#inbox = inbox;
    this.#stream = info.stream_name;
    this.#consumer = info.name;
    this.#pending = info.num_pending;
    this.firstSequence = info.delivered.stream_seq + 1;
    this.#limits = limitsOf(info.config, connection.frames.maxPayloadBytes);
    this.#subscription = connection.nats.subscribe(`${inbox}.*`, {
      callback: (error, message) => this.#receive(error, message),
    });
    // What was under way then may be lost, and the consumer with its broker.
    this.#forget = connection.onReconnect(() => this.#lose("the connection was lost"));
  }

  /** Rejects with `not_found` where there is no such stream. */
  static async open(connection: Connection, { stream, filter, start }: CursorPlace): Promise<StreamCursor> {
    const inbox = connection.newInbox();
    const config = {
      name: `reader-${inbox.slice(inbox.lastIndexOf(".") + 1)}`,
      ...startOf(start),
      ...(filter === undefined ? {} : { filter_subject: filter }),
      ack_policy: "none",
      inactive_threshold: durationNs(inactiveMs),
      mem_storage: true,
      num_replicas: 1,
    };
    try {
      const info = await connection.jsm.consumers.add(stream, config as Partial<ConsumerConfig>);
      return new StreamCursor(connection, inbox, info);
    } catch (thrown) {
      throw fromNats(thrown, `read stream ${stream}`);
    }
  }

  /** Messages that have not come yet, as the broker told with the last one. */
  get pending(): number {
    return this.#pending;
  }

  /** Is nothing there, and nothing to come as far as the broker told? */
  get isExhausted(): boolean {
    return this.#batch.length === 0 && this.#pending === 0;
  }

  /** Why nothing more comes from it. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /** The next messages as soon as there are some; none where a pull ended without, it is lost or the signal aborted. */
  async next(signal: AbortSignal): Promise<StreamMessage[]> {
    if (this.#batch.length === 0) {
      this.#pull();
      const hasAnswer = () => this.#batch.length > 0 || this.#toCome === 0;
      await untilAborted(this.#changed.until(hasAnswer), signal);
    }
    const batch = this.#batch;
    this.#batch = [];
    if (this.#pending > 0) this.#pull();
    return batch;
  }

  async close(): Promise<void> {
    this.#lose("it is closed");
    const { jsm, isConnected } = this.#connection;
    if (!isConnected()) return;
    const deleted = jsm.consumers.delete(this.#stream, this.#consumer);
    await within(deleted, closeMs, "").catch(() => undefined);
  }

  /** One at a time: the broker fills several by turns, and a message does not say which it is for. */
  #pull(): void {
    const { nats, timeoutMs, apiPrefix } = this.#connection;
    if (nats.isClosed() || nats.isDraining()) this.#lose("the connection is closed");
    if (this.#toCome > 0 || this.#lost !== undefined) return;
    const { batch, maxBytes, expires } = this.#limits;
    this.#pulls += 1;
    this.#toCome = batch;
    this.#brought = 0;
    const request = { batch, max_bytes: maxBytes, expires: durationNs(expires) };
    const subject = `${apiPrefix}.CONSUMER.MSG.NEXT.${this.#stream}.${this.#consumer}`;
    nats.publish(subject, JSON.stringify(request), { reply: `${this.#inbox}.${this.#pulls}` });
    const silenceMs = expires + Math.max(timeoutMs, leastSilenceMs);
    this.#silence = setTimeout(() => this.#lose("the broker does not answer"), silenceMs);
  }

  /** Throws nothing: that would end the client's reading for the whole connection. Hot path: ~2 µs a message. */
  #receive(error: Error | null, message: Msg): void {
    if (this.#lost !== undefined) return;
    const reply = replyBytes(message);
    if (error) this.#lose(error.message);
    else if (reply.length === 0) this.#receiveStatus(message);
    else this.#receiveMessage(message, reply);
  }

  #receiveMessage(message: Msg, reply: Uint8Array): void {
    try {
      const place = readDeliveryPlace(reply);
      if (place.deliverySequence !== this.#delivered + 1) throw new Error("a message was lost on the way");
      this.#delivered = place.deliverySequence;
      this.#pending = place.pending;
      this.#batch.push(streamMessage(message, place));
    } catch (thrown) {
      this.#lose(thrown instanceof Error ? thrown.message : String(thrown));
      return;
    }
    this.#brought += 1;
    this.#toCome -= 1;
    if (this.#toCome <= 0) this.#endPull();
    else this.#silence?.refresh();
    this.#changed.changed();
  }

  /** What ends a pull. 100 is a sign of life. */
  #receiveStatus({ headers, subject }: Msg): void {
    const code = headers?.code ?? 0;
    if (code < 200 || subject !== `${this.#inbox}.${this.#pulls}`) return;
    const isRefused = this.#brought === 0 && !foundNothing.has(code);
    if (isRefused) this.#lose(`the broker says ${code} ${headers?.description ?? ""}`.trimEnd());
    else this.#endPull();
  }

  #endPull(): void {
    clearTimeout(this.#silence);
    this.#toCome = 0;
    this.#changed.changed();
  }

  #lose(why: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = why;
    this.#forget();
    if (!this.#connection.nats.isClosed()) this.#subscription.unsubscribe();
    this.#endPull();
  }
}

type PullLimits = { batch: number; maxBytes: number; expires: number };

/** A server may limit what a pull may ask for, and writes that into each consumer. */
function limitsOf(config: ConsumerConfig, maxPayloadBytes: number): PullLimits {
  const least = (wish: number, limit: number | undefined) => (limit ? Math.min(wish, limit) : wish);
  const { max_batch, max_bytes, max_expires } = config;
  return {
    batch: least(pullMessages, max_batch),
    maxBytes: least(pullBytes + maxPayloadBytes, max_bytes),
    expires: least(pullExpiresMs, max_expires && max_expires / 1e6),
  };
}

const startOf = (start: StreamStart) =>
  "sequence" in start
    ? { deliver_policy: "by_start_sequence", opt_start_seq: Math.max(1, start.sequence) }
    : { deliver_policy: "by_start_time", opt_start_time: timeText(start.timeUs) };

/** RFC 3339 with µs. */
const timeText = (us: number): string =>
  new Date(Math.floor(us / 1000)).toISOString().replace("Z", `${String(us % 1000).padStart(3, "0")}Z`);
