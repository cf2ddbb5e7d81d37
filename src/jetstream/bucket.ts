import { OrderctlError } from "../errors.ts";
import { type Connection, defaultApiPrefix } from "./connection.ts";
import type { Publisher } from "./publisher.ts";
import { readLast, readSubjects } from "./read-message.ts";
import { scanStream } from "./read-stream.ts";

export type BucketEntry = { key: string; value: string; revision: number };

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
      const publication = { subject: this.#writeSubject(key), payload, expectedSequence: revision };
      return (await this.#publisher.publish(publication)).sequence;
    } catch (thrown) {
      if (thrown instanceof OrderctlError && thrown.code === "conflict") return undefined;
      throw thrown;
    }
  }

  /** Every entry, each as it was at some moment of the listing. */
  async list(): Promise<BucketEntry[]> {
    const entries = new Map<string, BucketEntry>();
    const stream = `KV_${this.#name}`;
    await scanStream(this.#connection, { stream }, ({ subject, payload, sequence: revision }) => {
      const key = this.#key(subject);
      entries.set(key, { key, value: decoder.decode(payload), revision });
    });
    // An entry that changes while the scan goes on may have moved behind its end.
    for (const subject of await readSubjects(this.#connection, stream)) {
      const key = this.#key(subject);
      const missed = entries.has(key) ? undefined : await this.read(key);
      if (missed) entries.set(key, missed);
    }
    return [...entries.values()].filter(({ value }) => value !== "");
  }

  #key(subject: string): string {
    return decodeKey(subject.slice(`$KV.${this.#name}.`.length));
  }

  #subject(key: string): string {
    return `$KV.${this.#name}.${encodeKey(key)}`;
  }

  /** A domain takes entries where its API is (ADR-19), so that the bucket of that name in another one stays as it is. */
  #writeSubject(key: string): string {
    const { apiPrefix } = this.#connection;
    return apiPrefix === defaultApiPrefix ? this.#subject(key) : `${apiPrefix}.${this.#subject(key)}`;
  }
}

const encodeKey = (key: string): string =>
  key.replace(/[^A-Za-z0-9_-]/gu, (character) =>
    [...encoder.encode(character)]
      .map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, "0")}`)
      .join(""),
  );

const decodeKey = (key: string): string =>
  decodeURIComponent(key.replaceAll("%", "%25").replaceAll("=", "%"));
