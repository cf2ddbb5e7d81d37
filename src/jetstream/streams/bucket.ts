import { OrderctlError } from "../../core/errors.ts";
import { type Connection, defaultApiPrefix } from "../client/connection.ts";
import type { Publisher } from "../publish/publisher.ts";
import { readLast, readSubjects, type StoredMessage } from "./read-message.ts";
import { scanStream } from "./read-stream.ts";

export type BucketEntry = { key: string; value: string; revision: number };

/** `isForeign`: the key is not one that `encodeKey` writes, so another program wrote it. */
export type Key = { key: string; isForeign: boolean };

type ListedEntry = BucketEntry & Key;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * A NATS key-value bucket that is changed by compare-and-set, in the layout of ADR-8 (stream `KV_<bucket>`, subject
 * `$KV.<bucket>.<key>`), so that the `nats kv` commands can read it. Characters that a key may not contain are written
 * as `=XX`. Values are read from the stream's leader.
 */
export class Bucket {
  readonly #connection: Connection;
  readonly #publisher: Publisher;
  readonly #name: string;

  constructor(connection: Connection, publisher: Publisher, name: string) {
    this.#connection = connection;
    this.#publisher = publisher;
    this.#name = name;
  }

  async read(key: string): Promise<BucketEntry | undefined> {
    const found = await readLast(this.#connection, `KV_${this.#name}`, this.#subject(key));
    return found && { key, value: decoder.decode(found.payload), revision: found.sequence };
  }

  /**
   * Replaces the entry with `revision` (0: there is no entry yet) and returns the new revision; `undefined` when the
   * entry has another revision by now.
   */
  async write({ key, value, revision }: BucketEntry): Promise<number | undefined> {
    try {
      const payload = encoder.encode(value);
      const publication = {
        subject: publishedSubject(this.#connection, this.#subject(key)),
        payload,
        expectedSequence: revision,
      };
      return (await this.#publisher.publish(publication)).sequence;
    } catch (thrown) {
      if (thrown instanceof OrderctlError && thrown.code === "conflict") return undefined;
      throw thrown;
    }
  }

  /** Every key, including those of removed entries; needs no consumer. */
  async keys(): Promise<Key[]> {
    const subjects = await readSubjects(this.#connection, `KV_${this.#name}`);
    return subjects.map((subject) => this.#key(subject));
  }

  /** Removes the value under a foreign key, unless it is removed already. */
  async removeForeign(key: string): Promise<void> {
    const subject = `${this.#prefix}${key}`;
    const found = await readLast(this.#connection, `KV_${this.#name}`, subject);
    if (!found || found.payload.length === 0) return;
    const removal = { payload: new Uint8Array(), headers: { "KV-Operation": "DEL" } };
    const place = {
      subject: toWire(publishedSubject(this.#connection, subject)),
      expectedSequence: found.sequence,
    };
    await this.#publisher.publish({ ...removal, ...place });
  }

  /** Every entry that has a value, each as it was at some moment of the listing. */
  async list(): Promise<ListedEntry[]> {
    const entries = new Map<string, ListedEntry>();
    const stream = `KV_${this.#name}`;
    const add = ({ subject: wired, payload, sequence: revision }: StoredMessage) => {
      const subject = fromWire(wired);
      entries.set(subject, { ...this.#key(subject), value: decoder.decode(payload), revision });
    };
    await scanStream(this.#connection, { stream }, add);
    // An entry that changes during the scan may have moved behind the scan's end.
    for (const subject of await readSubjects(this.#connection, stream)) {
      const missed = entries.has(subject) ? undefined : await readLast(this.#connection, stream, subject);
      if (missed) add(missed);
    }
    return [...entries.values()].filter(({ value }) => value !== "");
  }

  get #prefix(): string {
    return `$KV.${this.#name}.`;
  }

  #key(subject: string): Key {
    const stored = subject.slice(this.#prefix.length);
    const key = decodeKey(stored);
    return key === undefined ? { key: stored, isForeign: true } : { key, isForeign: false };
  }

  #subject(key: string): string {
    return `${this.#prefix}${encodeKey(key)}`;
  }
}

/**
 * The subject to publish on for a message that is stored under `subject` of a bucket. With a domain it has the domain's
 * API prefix (ADR-19), so that the message does not reach the bucket of the same name in another domain.
 */
export const publishedSubject = ({ apiPrefix }: Connection, subject: string): string =>
  apiPrefix === defaultApiPrefix ? subject : `${apiPrefix}.${subject}`;

/** A message's subject has one character per byte; subjects in the broker's JSON are decoded text. */
const fromWire = (subject: string): string => Buffer.from(subject, "latin1").toString();
const toWire = (subject: string): string => Buffer.from(subject).toString("latin1");

/** The stored form of `key`. */
export const encodeKey = (key: string): string =>
  key.replace(/[^A-Za-z0-9_-]/gu, (character) =>
    [...encoder.encode(character)]
      .map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, "0")}`)
      .join(""),
  );

/** Undefined for a stored key that `encodeKey` never writes: the nats CLI stores `size=M` and `a.b` as they are. */
function decodeKey(stored: string): string | undefined {
  try {
    const key = decodeURIComponent(stored.replaceAll("%", "%25").replaceAll("=", "%"));
    return encodeKey(key) === stored ? key : undefined;
  } catch {
    return undefined;
  }
}
