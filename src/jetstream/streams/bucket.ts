import { OrderctlError } from "../../core/errors.ts";
import { type Connection, defaultApiPrefix } from "../client/connection.ts";
import type { Publisher } from "../publish/publisher.ts";
import { readLast, readSubjects, type StoredMessage } from "./read-message.ts";
import { scanStream } from "./read-stream.ts";

export type BucketEntry = { key: string; value: string; revision: number };

/** `isForeign`: somebody else wrote under this key, which stands for none of ours. */
export type Key = { key: string; isForeign: boolean };

type ListedEntry = BucketEntry & Key;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * A NATS key-value bucket that is changed by compare-and-set, in the layout of ADR-8 (stream `KV_<bucket>`,
 * subject `$KV.<bucket>.<key>`), so that the `nats kv` commands read it. Characters that a key may not have are
 * written as `=XX`. Values are read from the leader.
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

  /** Writes over the entry with `revision` (0: where there is none); `undefined` when it has another by now. */
  async write({ key, value, revision }: BucketEntry): Promise<number | undefined> {
    try {
      const payload = encoder.encode(value);
      const publication = { subject: this.#written(this.#subject(key)), payload, expectedSequence: revision };
      return (await this.#publisher.publish(publication)).sequence;
    } catch (thrown) {
      if (thrown instanceof OrderctlError && thrown.code === "conflict") return undefined;
      throw thrown;
    }
  }

  /** Every key, also those of entries that were removed; needs no consumer. */
  async keys(): Promise<Key[]> {
    const subjects = await readSubjects(this.#connection, `KV_${this.#name}`);
    return subjects.map((subject) => this.#key(subject));
  }

  /** Removes what stands under a foreign key, unless it is removed already. */
  async removeForeign(key: string): Promise<void> {
    const subject = `${this.#prefix}${key}`;
    const found = await readLast(this.#connection, `KV_${this.#name}`, subject);
    if (!found || found.payload.length === 0) return;
    const removal = { payload: new Uint8Array(), headers: { "KV-Operation": "DEL" } };
    const place = { subject: toWire(this.#written(subject)), expectedSequence: found.sequence };
    await this.#publisher.publish({ ...removal, ...place });
  }

  /** Every entry, each as it was at some moment of the listing. */
  async list(): Promise<ListedEntry[]> {
    const entries = new Map<string, ListedEntry>();
    const stream = `KV_${this.#name}`;
    const add = ({ subject: wired, payload, sequence: revision }: StoredMessage) => {
      const subject = fromWire(wired);
      entries.set(subject, { ...this.#key(subject), value: decoder.decode(payload), revision });
    };
    await scanStream(this.#connection, { stream }, add);
    // An entry that changes while the scan goes on may have moved behind its end.
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

  /** A domain takes entries where its API is (ADR-19), so that the bucket of that name in another one stays as it is. */
  #written(subject: string): string {
    const { apiPrefix } = this.#connection;
    return apiPrefix === defaultApiPrefix ? subject : `${apiPrefix}.${subject}`;
  }
}

/** A message's subject has one character for each byte, what the broker tells in JSON is text. */
const fromWire = (subject: string): string => Buffer.from(subject, "latin1").toString();
const toWire = (subject: string): string => Buffer.from(subject).toString("latin1");

/** The key under which the entry `key` is stored. */
export const encodeKey = (key: string): string =>
  key.replace(/[^A-Za-z0-9_-]/gu, (character) =>
    [...encoder.encode(character)]
      .map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, "0")}`)
      .join(""),
  );

/** Undefined for a key that `encodeKey` writes for nothing: the nats CLI takes `size=M` and `a.b` as they are. */
function decodeKey(stored: string): string | undefined {
  try {
    const key = decodeURIComponent(stored.replaceAll("%", "%25").replaceAll("=", "%"));
    return encodeKey(key) === stored ? key : undefined;
  } catch {
    return undefined;
  }
}
