import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../../core/errors.ts";
import { untilAborted } from "../../core/waiting.ts";
import type { Connection } from "../client/connection.ts";
import { electionMs, leaderless } from "../client/election.ts";
import { fromNats } from "../client/nats-error.ts";
import { remedy } from "../client/remedies.ts";
import { readNext, type StoredMessage } from "./read-message.ts";
import { type CursorPlace, StreamCursor, type StreamStart } from "./stream-cursor.ts";
import type { StreamMessage } from "./stream-message.ts";

/** Which messages to read. A message that is deleted before its turn comes is skipped. */
export type StreamRange = {
  stream: string;
  /** Only messages on this subject (wildcards allowed). */
  filter?: string | undefined;
  /** Where to begin; the first message by default. */
  start?: StreamStart;
  /** The last sequence to read; by default the stream's last sequence at the time reading begins. */
  toSequence?: number;
  /** Reading ends before the first message stored later than this, Unix µs. */
  untilUs?: number | undefined;
  /** True to continue with messages stored later, until `signal` aborts. */
  follow?: boolean;
  /**
   * How long to wait for the next message: by default 30 s or the connection's timeout, whichever is longer; for ever
   * with `follow`.
   */
  patienceMs?: number;
  /** Ends the reading early, without an error. */
  signal?: AbortSignal;
};

/**
 * Yields the messages of a range in stream order, each once, in batches, through an ephemeral consumer that is deleted
 * however the reading ends. At most two batches of 2,000 messages (or 3 MB) are in memory, whatever the stream holds.
 *
 * When the consumer or the broker is lost on the way, reading continues behind the last message; it rejects with
 * `unavailable` or `timeout` when nothing has come for `patienceMs`. Rejects with `not_found` when there is no such
 * stream, and with `conflict` when the stream was deleted or created anew since the reading began.
 */
export async function* readStream(
  connection: Connection,
  range: StreamRange,
): AsyncGenerator<StreamMessage[]> {
  const reader = await StreamReader.open(connection, range);
  try {
    for (let batch = await reader.next(); batch.length > 0; batch = await reader.next()) yield batch;
  } finally {
    await reader.close();
  }
}

/** Like `readStream`, message by message. Rejects with whatever `onMessage` throws. */
export async function scanStream(
  connection: Connection,
  range: StreamRange,
  onMessage: (message: StreamMessage) => void,
): Promise<void> {
  for await (const batch of readStream(connection, range)) {
    for (const message of batch) {
      if (range.signal?.aborted) return;
      onMessage(message);
    }
  }
}

/** How many messages a stream holds from the start of `place` on that match its filter. */
export async function countFrom(connection: Connection, place: CursorPlace): Promise<number> {
  const cursor = await StreamCursor.open(connection, place);
  await cursor.close();
  return cursor.pending;
}

/** The first sequence of a place; where nothing is stored there, the one that the next message will have. */
export async function sequenceAt(connection: Connection, place: CursorPlace): Promise<number> {
  const cursor = await StreamCursor.open(connection, place);
  await cursor.close();
  return cursor.firstSequence;
}

const retryMs = 200;
/** How long the creation of a consumer may still take once the signal has aborted. */
const graceMs = 500;

class StreamReader {
  readonly #connection: Connection;
  readonly #range: StreamRange & { start: StreamStart; toSequence: number; patienceMs: number };
  readonly #createdAt: string;
  readonly #signal: AbortSignal;
  #cursor: StreamCursor | undefined;
  /** Where the next cursor begins. */
  #start: StreamStart;
  #isOver = false;
  #trouble: string | undefined;

  private constructor(connection: Connection, range: StreamRange, now: StreamNow) {
    const { start = { sequence: 1 }, follow = false } = range;
    const toSequence = follow ? Number.POSITIVE_INFINITY : (range.toSequence ?? now.lastSequence);
    const longest = follow ? Number.POSITIVE_INFINITY : Math.max(electionMs, connection.timeoutMs);
    this.#connection = connection;
    this.#range = { ...range, start, toSequence, patienceMs: range.patienceMs ?? longest };
    this.#createdAt = now.createdAt;
    this.#signal = range.signal ?? new AbortController().signal;
    this.#start = start;
  }

  static async open(connection: Connection, range: StreamRange): Promise<StreamReader> {
    const now = await readNow(connection, range.stream);
    const reader = new StreamReader(connection, range, now);
    // An error at the beginning is thrown at once; only a reading that has begun waits for the broker to come back.
    if (!reader.#isBehind()) reader.#cursor = await reader.#openCursor();
    return reader;
  }

  /** The next messages; none when the range is read or the signal aborted. */
  async next(): Promise<StreamMessage[]> {
    const { patienceMs } = this.#range;
    const deadline = performance.now() + patienceMs;
    while (!this.#signal.aborted && !this.#isBehind()) {
      const batch = await this.#try();
      if (batch.length > 0) return batch;
      if (performance.now() > deadline) throw this.#givenUp();
    }
    return [];
  }

  async close(): Promise<void> {
    await this.#cursor?.close();
  }

  /** True when the range is known to be read, without asking the broker. */
  #isBehind(): boolean {
    const isBehind = "sequence" in this.#start && this.#start.sequence > this.#range.toSequence;
    return this.#isOver || isBehind;
  }

  /** None when the range is read, or after an error that may pass, such as an election. */
  async #try(): Promise<StreamMessage[]> {
    try {
      const cursor = await this.#currentCursor();
      return cursor ? await this.#read(cursor) : [];
    } catch (thrown) {
      const error = fromNats(thrown, `read stream ${this.#range.stream}`);
      if (!leaderless.has(error.code) || this.#connection.nats.isClosed()) throw error;
      this.#trouble = error.message;
      await this.#pause();
      return [];
    }
  }

  async #read(cursor: StreamCursor): Promise<StreamMessage[]> {
    // A pull on a consumer without pending messages would wait in vain; only the stream itself says for sure that the
    // range is read.
    if (cursor.isExhausted && (await this.#isAtEnd())) return [];
    const batch = this.#take(await cursor.next(this.#signal));
    if (batch.length > 0 || this.#isOver || this.#signal.aborted || (await this.#isAtEnd())) return batch;
    // With `follow`, an empty pull is normal; otherwise it means that the cursor does not deliver what the stream has.
    if (cursor.lost !== undefined || !this.#range.follow) await this.#drop(cursor);
    return batch;
  }

  /** Cuts off the messages beyond the end of the range. */
  #take(batch: StreamMessage[]): StreamMessage[] {
    const beyond = batch.findIndex((message) => this.#isBeyond(message));
    if (beyond >= 0) {
      this.#isOver = true;
      batch.length = beyond;
    }
    const last = batch.at(-1);
    if (last) this.#start = { sequence: last.sequence + 1 };
    return batch;
  }

  #isBeyond({ sequence, storedAtUs }: StoredMessage): boolean {
    const { toSequence, untilUs = Number.POSITIVE_INFINITY } = this.#range;
    return sequence > toSequence || storedAtUs > untilUs;
  }

  /** Asks the stream whether the range is read: it is more reliable than a consumer's number of pending messages. */
  async #isAtEnd(): Promise<boolean> {
    const { stream, filter = ">", follow } = this.#range;
    if (follow || !("sequence" in this.#start)) return false;
    await this.#mustBeTheSame();
    const query = { seq: this.#start.sequence, next_by_subj: filter };
    const next = await readNext(this.#connection, stream, query);
    this.#isOver = !next || this.#isBeyond(next);
    return this.#isOver;
  }

  async #mustBeTheSame(): Promise<void> {
    const { stream } = this.#range;
    const now = await readNow(this.#connection, stream).catch((error: OrderctlError) => {
      if (error.code === "not_found") throw this.#changed("deleted", error);
      throw error;
    });
    if (now.createdAt !== this.#createdAt) throw this.#changed("deleted and made anew");
  }

  /** Undefined while there is no connection, or once the signal has aborted. */
  async #currentCursor(): Promise<StreamCursor | undefined> {
    if (this.#cursor) return this.#cursor;
    if (!this.#connection.isConnected()) {
      await this.#pause();
      return undefined;
    }
    await this.#mustBeTheSame();
    this.#cursor = await this.#openCursor();
    return this.#cursor;
  }

  async #openCursor(): Promise<StreamCursor | undefined> {
    const opening = StreamCursor.open(this.#connection, { ...this.#range, start: this.#start });
    const cursor = await untilAborted(opening, this.#signal, graceMs);
    if (!cursor) void opening.then((late) => late.close()).catch(() => undefined);
    else if (!("sequence" in this.#start)) this.#start = { sequence: cursor.firstSequence };
    return cursor;
  }

  /** Does not wait for the deletion of the consumer: a broker that does not deliver may not delete either. */
  async #drop(cursor: StreamCursor): Promise<void> {
    this.#trouble = cursor.lost ?? "the broker delivers nothing though there is more";
    this.#cursor = undefined;
    void cursor.close();
    await this.#pause();
  }

  async #pause(): Promise<void> {
    await wait(retryMs, undefined, { signal: this.#signal }).catch(() => undefined);
  }

  #givenUp(): OrderctlError {
    const { stream, patienceMs } = this.#range;
    const isAway = !this.#connection.isConnected();
    const why = isAway ? "the broker is away" : (this.#trouble ?? "the broker does not answer");
    const text = `cannot read on in stream ${stream}${this.#place()}: ${why}; nothing came for ${patienceMs / 1000} s`;
    // On a cluster, the command line interface adds a hint about the cluster's servers to an error without one.
    const hint = this.#connection.isClustered() ? undefined : remedy("look_at_broker");
    return new OrderctlError(isAway ? "unavailable" : "timeout", text, { hint, source: "broker" });
  }

  #changed(how: string, cause?: OrderctlError): OrderctlError {
    const text = `stream ${this.#range.stream} was ${how} while it was read${this.#place()}`;
    return new OrderctlError("conflict", text, { cause, source: "broker" });
  }

  #place(): string {
    return "sequence" in this.#start && this.#start.sequence > 1
      ? `, behind sequence ${this.#start.sequence - 1}`
      : "";
  }
}

type StreamNow = { lastSequence: number; createdAt: string };

async function readNow({ jsm }: Connection, stream: string): Promise<StreamNow> {
  try {
    const { state, created } = await jsm.streams.info(stream);
    return { lastSequence: state.last_seq, createdAt: created };
  } catch (thrown) {
    throw fromNats(thrown, `read stream ${stream}`);
  }
}
