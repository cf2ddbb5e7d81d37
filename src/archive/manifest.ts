import { createHash } from "node:crypto";
import { OrderctlError } from "../core/errors.ts";
import { type Moment, momentNow, msSince } from "../core/moment.ts";
import { isCount, parseObject } from "../core/parse-object.ts";
import { archiveBucket } from "../flow/flow-topology.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { Publisher } from "../jetstream/publish/publisher.ts";
import { readStreamIdentity } from "../jetstream/streams/apply-topology.ts";
import { Bucket } from "../jetstream/streams/bucket.ts";
import { readBySequence, readStreamSize, type StoredMessage } from "../jetstream/streams/read-message.ts";

/** A file of a segment, and what it has to hold. */
export type StoredFile = { name: string; bytes: number; sha256: string };

/** What the manifest says of one segment: a part of the log, from one sequence to another, both included. */
export type SegmentEntry = {
  version: 1;
  /** The URL of the store that holds the files. */
  store: string;
  /** The identity of the stream: in a stream that was created anew the same sequences are other messages. */
  log: string;
  from: number;
  to: number;
  /** The messages in it; those that were deleted from the log before are missing. */
  events: number;
  /** The distinct keys in it. */
  keys: number;
  /** When its first and its last message were stored, Unix µs by the broker's clock. */
  storedFromUs: number;
  storedToUs: number;
  files: {
    /** The messages, as Parquet. */
    data: StoredFile;
    /** The hashes of its keys. */
    keys: StoredFile;
    /** The audit's state after its last message. */
    audit: StoredFile;
  };
  /** SHA-256 of the text of the entry before; `null` for the first. */
  previous: string | null;
};

/** An entry as it stands in the manifest. */
export type Segment = SegmentEntry & {
  /** SHA-256 of the entry's text. */
  sha256: string;
  /** When its messages were removed by age, Unix ms; undefined while they are there. */
  prunedAtMs: number | undefined;
};

/** By its number, from 1: of two archivers that would enter a next segment, whatever it holds, one finds it taken. */
const segmentKey = (number: number): string => `segment-${String(number).padStart(8, "0")}`;
const prunedKey = (from: number): string => `pruned-${String(from).padStart(16, "0")}`;

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** The text of an entry, of which the next entry holds the hash. */
export const entryText = (entry: SegmentEntry): string => JSON.stringify(entry);

/** How many entries are read at the same time. Each by its sequence: to make a consumer, a service has no right. */
const atOnce = 512;

/**
 * The segments of a flow's archive: a key-value bucket with an entry for each, which are a chain, each with the hash of
 * the one before. Without the bucket, nothing is archived.
 */
export class Manifest {
  readonly #connection: Connection;
  readonly #stream: string;
  readonly #segments: Segment[] = [];
  #seen = 0;
  #log: string | undefined;
  #known: Moment | undefined;
  #refreshing: Promise<void> | undefined;

  constructor(connection: Connection, stream: string) {
    this.#connection = connection;
    this.#stream = stream;
  }

  /** In the order of the log, as far as known; each begins where the one before ends. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** The last sequence that is archived; 0 where nothing is. */
  get movedTo(): number {
    return this.#segments.at(-1)?.to ?? 0;
  }

  /** How old that knowledge is at most, ms; infinite before the first `refresh`. */
  get ageMs(): number {
    return this.#known ? msSince(this.#known) : Number.POSITIVE_INFINITY;
  }

  /**
   * Reads what is new, unless that was done within `maxAgeMs`. Rejects with `unavailable` when the manifest cannot be
   * read, and with `conflict` when it is damaged or belongs to another stream of the same name.
   */
  async refresh(maxAgeMs = 0): Promise<void> {
    if (this.ageMs <= maxAgeMs) return;
    // What was asked for before this call may be older than it.
    await this.#refreshing?.catch(() => undefined);
    if (this.ageMs <= maxAgeMs) return;
    this.#refreshing ??= this.#readNew().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
  }

  /**
   * Adds the next segment; false when another archiver was first, be that known here by now or not. `refresh` then tells
   * which segment that one added.
   */
  async append(entry: SegmentEntry): Promise<boolean> {
    // An entry that nobody can read would make the archive unreadable for good.
    if (!isEntry(entry) || entry.events === 0)
      throw new OrderctlError("internal", `messages ${entry.from} to ${entry.to} make no segment`);
    const last = this.#segments.at(-1);
    const follows = entry.previous === (last?.sha256 ?? null) && (!last || entry.from === last.to + 1);
    return follows && this.#write(segmentKey(this.#segments.length + 1), entryText(entry));
  }

  /** Notes that the messages of a segment are removed from now on. */
  async markPruned({ from }: Segment): Promise<void> {
    await this.#write(prunedKey(from), new Date().toISOString());
  }

  async #write(key: string, value: string): Promise<boolean> {
    const publisher = new Publisher(this.#connection);
    try {
      const bucket = new Bucket(this.#connection, publisher, archiveBucket(this.#stream));
      return (await bucket.write({ key, value, revision: 0 })) !== undefined;
    } finally {
      publisher.close();
    }
  }

  async #readNew(): Promise<void> {
    const known = momentNow();
    const stream = `KV_${archiveBucket(this.#stream)}`;
    try {
      const size = await readStreamSize(this.#connection, stream);
      const last = size?.lastSequence ?? 0;
      if (last < this.#seen) throw damaged(this.#stream, "it has fewer entries than before");
      if (size && last > this.#seen) await this.#readFrom(stream, last);
      await this.#mustBeTheSame();
      this.#known = known;
    } catch (thrown) {
      throw unreadable(this.#stream, OrderctlError.from(thrown));
    }
  }

  /** In a stream that was made anew meanwhile, the same sequences are other messages. */
  async #mustBeTheSame(): Promise<void> {
    if (this.#segments.length === 0) return;
    const now = await readStreamIdentity(this.#connection, this.#stream);
    if (now !== this.#log) throw ofOtherLog(this.#stream, this.#log ?? "");
  }

  async #readFrom(stream: string, last: number): Promise<void> {
    this.#log ??= await readStreamIdentity(this.#connection, this.#stream);
    while (this.#seen < last) {
      const count = Math.min(atOnce, last - this.#seen);
      const sequences = Array.from({ length: count }, (_, index) => this.#seen + 1 + index);
      const read = (sequence: number) => readBySequence(this.#connection, stream, sequence);
      for (const [index, message] of (await Promise.all(sequences.map(read))).entries()) {
        if (!message)
          throw new OrderctlError("unavailable", `${stream} does not give entry ${sequences[index]}`);
        this.#take(message);
        this.#seen = sequences[index] ?? last;
      }
    }
  }

  #take({ subject, payload }: StoredMessage): void {
    const text = Buffer.from(payload).toString();
    const key = subject.slice(subject.lastIndexOf(".") + 1);
    if (key.startsWith("pruned-")) {
      const segment = this.#segments.find(({ from }) => prunedKey(from) === key);
      if (segment) segment.prunedAtMs = Date.parse(text);
    } else this.#add(parseEntry(this.#stream, key, text), text);
  }

  #add(entry: SegmentEntry, text: string): void {
    const before = this.#segments.at(-1);
    const key = segmentKey(this.#segments.length + 1);
    const fault = entry.previous !== (before?.sha256 ?? null) && `does not follow from the one before`;
    const gap = before && entry.from !== before.to + 1 && `does not begin behind message ${before.to}`;
    if (fault || gap) throw damaged(this.#stream, `entry ${key} ${fault || gap}`);
    if (entry.log !== this.#log) throw ofOtherLog(this.#stream, entry.log);
    this.#segments.push({ ...entry, sha256: sha256(text), prunedAtMs: undefined });
  }
}

/** Throws `conflict` for a text that is no entry. */
export function parseEntry(stream: string, key: string, text: string): SegmentEntry {
  const entry = parseObject<SegmentEntry>(text);
  if (!entry || !isEntry(entry)) throw damaged(stream, `${key} is no entry of a segment`);
  return entry;
}

function isEntry(entry: Partial<SegmentEntry>): entry is SegmentEntry {
  const { version, store, log, from = 0, to = 0, files, previous } = entry;
  const texts: unknown[] = [store, log, ...(previous === null ? [] : [previous])];
  const counts = [from, to, entry.events, entry.keys, entry.storedFromUs, entry.storedToUs];
  return (
    version === 1 &&
    texts.every((text) => typeof text === "string") &&
    counts.every(isCount) &&
    from > 0 &&
    from <= to &&
    [files?.data, files?.keys, files?.audit].every(isStoredFile)
  );
}

const isStoredFile = (file: Partial<StoredFile> | undefined): boolean =>
  typeof file?.name === "string" && isCount(file.bytes) && typeof file.sha256 === "string";

const damaged = (stream: string, how: string): OrderctlError =>
  new OrderctlError("conflict", `the archive's manifest ${archiveBucket(stream)} is damaged: ${how}`, {
    hint: "orderctl archive verify tells what is whole",
    source: "store",
  });

/** The error for an archive whose stream was deleted and made anew. */
export const ofOtherLog = (stream: string, log: string): OrderctlError =>
  new OrderctlError(
    "conflict",
    `the archive ${archiveBucket(stream)} is of another stream ${stream}, created at ${log}`,
    { hint: `an archive goes with its stream: orderctl archive restore brings it back`, source: "store" },
  );

function unreadable(stream: string, error: OrderctlError): OrderctlError {
  const { code, message, hint, source } = error;
  if (code === "conflict" || code === "not_found") return error;
  const known = code === "denied" || code === "timeout" ? code : "unavailable";
  const text = `cannot tell what of ${stream} is archived: ${message}`;
  return new OrderctlError(known, text, { hint, cause: error, source: source ?? "store" });
}
