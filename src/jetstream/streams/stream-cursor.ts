import type { ConsumerConfig, ConsumerInfo, Msg, Subscription } from "nats";
import { ChangeSignal } from "../../core/change-signal.ts";
import { untilAborted, within } from "../../core/waiting.ts";
import type { Connection } from "../client/connection.ts";
import { fromNats } from "../client/nats-error.ts";
import { replyBytes } from "../client/raw-message.ts";
import { readDeliveryPlace } from "../consume/delivery.ts";
import { durationNs } from "./apply-topology.ts";
import { type StreamMessage, streamMessage } from "./stream-message.ts";

/** Where reading begins: at a sequence, or at the first message stored at a time (Unix µs) or later. */
export type StreamStart = { sequence: number } | { timeUs: number };

export type CursorPlace = {
  stream: string;
  /** Only messages on this subject (wildcards allowed). */
  filter?: string | undefined;
  start: StreamStart;
};

/**
 * The most that one pull brings. Two pulls are held in memory at a time: the batch being worked on and the next one.
 */
const pullMessages = 2000;
const pullBytes = 2 * 1024 * 1024;
const pullExpiresMs = 1000;
/** A pull is lost when nothing comes of it, not even its end, for this long after it should have expired. */
const leastSilenceMs = 2000;

/**
 * The broker deletes a consumer that nobody has pulled from for this long. A reader that waits for messages pulls every
 * second, so only two kinds of reader lose theirs: one whose process died, and one that works on a single batch for
 * longer. The latter opens another consumer and continues where it was, and does not show up in `lag` as a consumer
 * that is behind.
 */
const inactiveMs = 15_000;

/** How long `close` waits for the broker to delete the consumer; otherwise the consumer expires. */
const closeMs = 1000;

/**
 * Statuses of a pull that found no messages: 404 none there, 408 expired. After any other status the consumer delivers
 * nothing more.
 */
const foundNothing: ReadonlySet<number> = new Set([404, 408]);

const cursorPrefix = "reader-";
/** The last token of an inbox, which the client library makes of 22 characters. */
const cursorName = new RegExp(`^${cursorPrefix}[0-9A-Z]{22}$`);

/** Whether a consumer's name is that of a cursor. */
export const isCursor = (name: string): boolean => cursorName.test(name);

/**
 * An ephemeral consumer on a stream, for one reader. Messages come in stream order, in batches; the next batch is
 * fetched while the reader works on the last one, and a slow reader holds no more than those two. After an error the
 * cursor is `lost`, and still hands over the messages that it has.
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
  /** The stream sequence at which the broker began the consumer. */
  readonly firstSequence: number;
  #silence: NodeJS.Timeout | undefined;
  #batch: StreamMessage[] = [];
  #pulls = 0;
  /** How many messages the current pull may still bring (0 without a pull), and how many it brought. */
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
    // Messages on their way may be lost, and the in-memory consumer with its server.
    this.#forget = connection.onReconnect(() => this.#lose("the connection was lost"));
  }

  /** Rejects with `not_found` where there is no such stream. */
  static async open(connection: Connection, { stream, filter, start }: CursorPlace): Promise<StreamCursor> {
    const inbox = connection.newInbox();
    const config = {
      name: `${cursorPrefix}${inbox.slice(inbox.lastIndexOf(".") + 1)}`,
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

  /** Messages that the consumer has not delivered yet, as the broker reported with the last one. */
  get pending(): number {
    return this.#pending;
  }

  /** True when no message is left here, nor on the broker as far as it has reported. */
  get isExhausted(): boolean {
    return this.#batch.length === 0 && this.#pending === 0;
  }

  /** Why no more messages come from this cursor; undefined while it works. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /**
   * The next messages as soon as there are some; none when a pull ended without any, the cursor is lost or the signal
   * aborted.
   */
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

  /** One pull at a time: the broker fills several in turn, and a message does not say which pull it belongs to. */
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

  /**
   * Never throws: an exception here would end the client's reading for the whole connection. Hot path: ~2 µs a message.
   */
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

  /** Handles the status that ends a pull; a status of 100 is a heartbeat. */
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

/** The limits of a pull: a server may have lower ones, which it writes into each consumer's settings. */
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
