import { createHash } from "node:crypto";
import { nuid } from "nats";
import { OrderctlError } from "../../core/errors.ts";
import type { Connection } from "../client/connection.ts";
import type { Publication } from "../publish/publication.ts";
import { Publisher } from "../publish/publisher.ts";
import { applyTopology } from "./apply-topology.ts";
import { publishedSubject } from "./bucket.ts";
import { readLast, readSubjects, type StoredMessage } from "./read-message.ts";
import { readStream, scanStream } from "./read-stream.ts";
import { driftText } from "./settings-drift.ts";

/** What the bucket says of an object. `nuid` names the subject of its chunks; the digest is the SHA-256 of them all. */
type ObjectInfo = {
  name: string;
  bucket: string;
  nuid: string;
  size: number;
  chunks: number;
  digest: string;
  mtime: string;
  deleted: boolean;
};

/** What is stored of an object, and its sequence in the stream. */
type StoredInfo = ObjectInfo & { revision: number };

const mostChunkBytes = 128 * 1024;
/** Room for the headers of a chunk. */
const headerBytes = 256;
/** How much is stored or read within the connection's timeout; for more there is, in proportion, more time. */
const bytesPerTimeout = 4 * 1024 * 1024;

const lost = "objects would be lost";

/** What the settings of a bucket have to be, and what they lead to otherwise. */
const promises = {
  retention: lost,
  storage: lost,
  max_age: lost,
  max_msgs: lost,
  max_msgs_per_subject: lost,
  discard: lost,
  sealed: "nothing can be stored",
};

/**
 * Objects of any size in a stream, in the layout of ADR-20 (stream `OBJ_<bucket>`), which the `nats object` commands
 * read. The client's own object store is not used: it makes the bucket also for reading, waits for ever for a chunk
 * that is missing, and gives a large object no more time than a small one.
 *
 * Every method rejects with `unavailable` or `timeout` when the broker does not answer in time: the connection's
 * timeout, and as long again for each 4 MiB.
 */
export class ObjectBucket {
  readonly #connection: Connection;
  readonly #name: string;
  readonly #stream: string;
  readonly #replicas: number;
  #publisher: Publisher | undefined;

  constructor(connection: Connection, { bucket, replicas = 1 }: { bucket: string; replicas?: number }) {
    this.#connection = connection;
    this.#name = bucket;
    this.#stream = `OBJ_${bucket}`;
    this.#replicas = replicas;
  }

  /**
   * Resolves when the object is stored and has been read back; it takes the place of an earlier one in one step. Makes
   * the bucket where there is none. Rejects with `conflict` when another process stores an object of this name at the
   * same time, and with `usage` when a setting of the bucket would let objects go.
   */
  async put(name: string, content: Uint8Array): Promise<void> {
    await this.#make();
    const deadline = this.#deadlineFor(2 * content.length);
    const before = await this.#readInfo(name);
    const info = this.#infoOf(name, content);
    const revision =
      before && !before.deleted ? before.revision : await this.#announce(info, before?.revision, deadline);
    await this.#store({ ...info, revision }, content, deadline);
    if (before) await this.#removeChunks(before);
  }

  /** Undefined when there is no such object; rejects with `unavailable` when it is not whole. */
  async get(name: string): Promise<Uint8Array | undefined> {
    const info = await this.#readInfo(name);
    if (!info || info.deleted) return undefined;
    return this.#readChunks(info, this.#deadlineFor(info.size));
  }

  /** Does nothing when there is no such object. */
  async remove(name: string): Promise<void> {
    const info = await this.#readInfo(name);
    if (!info || info.deleted) return;
    await this.#publishInfo(removed(info), info.revision, this.#deadlineFor(0));
    await this.#removeChunks(info);
  }

  /** The names of all objects; rejects with `not_found` when there is no such bucket. */
  async list(): Promise<string[]> {
    const stream = this.#stream;
    const infos = new Map<string, StoredInfo>();
    const add = (message: StoredMessage) => infos.set(message.subject, this.#parse(message));
    const filter = `${this.#infoPrefix}*`;
    const patienceMs = this.#connection.timeoutMs;
    await scanStream(this.#connection, { stream, filter, patienceMs }, add);
    // One that is stored anew during the scan may have moved behind the scan's end.
    for (const subject of await readSubjects(this.#connection, stream)) {
      const isMissed = subject.startsWith(this.#infoPrefix) && !infos.has(subject);
      const missed = isMissed ? await readLast(this.#connection, stream, subject) : undefined;
      if (missed) add(missed);
    }
    return [...infos.values()].filter(({ deleted }) => !deleted).map(({ name }) => name);
  }

  close(): void {
    this.#publisher?.close();
  }

  async #make(): Promise<void> {
    const settings = {
      name: this.#stream,
      subjects: [`$O.${this.#name}.C.>`, `$O.${this.#name}.M.>`],
      storage: "file",
      retention: "limits",
      discard: "new",
      num_replicas: this.#replicas,
      allow_direct: true,
      allow_rollup_hdrs: true,
    };
    const topology = { streams: [settings], consumers: [], promises: { [this.#stream]: promises } };
    const broken = (await applyTopology(this.#connection, topology)).find(({ leadsTo }) => leadsTo !== null);
    if (broken) throw new OrderctlError("usage", driftText(broken), { source: "store" });
  }

  #infoOf(name: string, content: Uint8Array): ObjectInfo {
    return {
      name,
      bucket: this.#name,
      nuid: nuid.next(),
      size: content.length,
      chunks: Math.ceil(content.length / this.#chunkBytes),
      digest: `SHA-256=${base64(createHash("sha256").update(content).digest())}`,
      mtime: new Date().toISOString(),
      deleted: false,
    };
  }

  /**
   * Names the chunks of a new object before they are stored, as those of an object that was removed: the next `put` of
   * this name removes what a crash leaves of them. Returns the revision.
   */
  #announce(info: ObjectInfo, revision = 0, deadline: number): Promise<number> {
    return this.#publishInfo(removed(info), revision, deadline);
  }

  async #store({ revision, ...info }: StoredInfo, content: Uint8Array, deadline: number): Promise<void> {
    let isWhole = false;
    try {
      await this.#publishChunks(info, content, deadline);
      await this.#readChunks(info, deadline);
      isWhole = true;
      await this.#publishInfo(info, revision, deadline);
    } catch (thrown) {
      // The broker may have stored the info without saying so; only after a conflict it surely has not.
      const mayBeStored = isWhole && OrderctlError.from(thrown).code !== "conflict";
      if (!mayBeStored) await this.#removeChunks(info);
      throw thrown;
    }
  }

  /** One at a time: a chunk that is sent again after others would be stored behind them. */
  async #publishChunks({ nuid: id }: ObjectInfo, content: Uint8Array, deadline: number): Promise<void> {
    for (let start = 0; start < content.length; start += this.#chunkBytes) {
      const payload = content.subarray(start, start + this.#chunkBytes);
      // The broker stores a chunk once though it is sent again.
      const headers = { "Nats-Msg-Id": `${id}-${start}` };
      await this.#publish({ subject: this.#chunkSubject(id), payload, headers }, deadline);
    }
  }

  /** Replaces what the bucket says of the object, if that has `revision` (0: there is nothing yet); returns the new one. */
  async #publishInfo(info: ObjectInfo, revision: number, deadline: number): Promise<number> {
    const publication = {
      subject: this.#infoSubject(info.name),
      payload: Buffer.from(JSON.stringify(info)),
      headers: { "Nats-Rollup": "sub" },
      expectedSequence: revision,
    };
    try {
      return await this.#publish(publication, deadline);
    } catch (thrown) {
      if (!(thrown instanceof OrderctlError) || thrown.code !== "conflict") throw thrown;
      // It may be this one's own message, which was sent twice.
      const found = await this.#readInfo(info.name);
      if (found?.nuid === info.nuid && found.deleted === info.deleted) return found.revision;
      throw thrown;
    }
  }

  async #publish(publication: Publication, deadline: number): Promise<number> {
    this.#publisher ??= new Publisher(this.#connection, { window: 1 });
    const subject = publishedSubject(this.#connection, publication.subject);
    const giveUpMs = msUntil(deadline);
    return (await this.#publisher.publish({ ...publication, subject, giveUpMs })).sequence;
  }

  async #readChunks({ name, nuid: id, size, digest }: ObjectInfo, deadline: number): Promise<Uint8Array> {
    const patienceMs = msUntil(deadline);
    const signal = AbortSignal.timeout(patienceMs);
    const range = { stream: this.#stream, filter: this.#chunkSubject(id), patienceMs, signal };
    const parts: Uint8Array[] = [];
    const hash = createHash("sha256");
    for await (const batch of readStream(this.#connection, range)) {
      for (const { payload } of batch) {
        parts.push(payload);
        hash.update(payload);
      }
    }
    if (signal.aborted) throw this.#failure("timeout", `cannot read object ${name} in time`);
    const content = Buffer.concat(parts);
    if (content.length === size && digest === `SHA-256=${base64(hash.digest())}`) return content;
    throw this.#failure(
      "unavailable",
      `object ${name} is damaged: its chunks are not those that were stored`,
    );
  }

  /** What stays when this fails takes room, and is not read. */
  async #removeChunks({ nuid: id }: ObjectInfo): Promise<void> {
    const { jsm } = this.#connection;
    await jsm.streams.purge(this.#stream, { filter: this.#chunkSubject(id) }).catch(() => undefined);
  }

  async #readInfo(name: string): Promise<StoredInfo | undefined> {
    const message = await readLast(this.#connection, this.#stream, this.#infoSubject(name));
    return message && this.#parse(message);
  }

  #parse({ subject, payload, sequence }: StoredMessage): StoredInfo {
    try {
      const info: ObjectInfo = JSON.parse(Buffer.from(payload).toString());
      const isObject = subject === this.#infoSubject(info.name) && Number.isSafeInteger(info.size);
      if (!isObject || !/^\w+$/.test(info.nuid)) throw new Error("it has no name, size or nuid");
      return { ...info, deleted: info.deleted === true, revision: sequence };
    } catch (cause) {
      throw this.#failure("unavailable", `message ${sequence} (${subject}) describes no object`, cause);
    }
  }

  #failure(code: "unavailable" | "timeout", text: string, cause?: unknown): OrderctlError {
    return new OrderctlError(code, `stream ${this.#stream}: ${text}`, { cause, source: "broker" });
  }

  /** On the `performance.now()` clock. */
  #deadlineFor(bytes: number): number {
    return performance.now() + this.#connection.timeoutMs * (1 + bytes / bytesPerTimeout);
  }

  get #chunkBytes(): number {
    return Math.max(1, Math.min(mostChunkBytes, this.#connection.frames.maxPayloadBytes - headerBytes));
  }

  get #infoPrefix(): string {
    return `$O.${this.#name}.M.`;
  }

  #infoSubject(name: string): string {
    return `${this.#infoPrefix}${base64(Buffer.from(name))}`;
  }

  #chunkSubject(id: string): string {
    return `$O.${this.#name}.C.${id}`;
  }
}

const msUntil = (deadline: number): number => Math.max(0, Math.ceil(deadline - performance.now()));

const removed = (info: ObjectInfo): ObjectInfo => {
  const { name, bucket, nuid: id, mtime } = info;
  return { name, bucket, nuid: id, size: 0, chunks: 0, digest: "", mtime, deleted: true };
};

/** The URL-safe form with padding, as ADR-20 has it. */
const base64 = (bytes: Buffer): string => bytes.toString("base64").replaceAll("+", "-").replaceAll("/", "_");
