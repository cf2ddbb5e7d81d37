import { createHash } from "node:crypto";
import { archiveCacheDir } from "../core/directories.ts";
import { OrderctlError } from "../core/errors.ts";
import type { ArchivedAudit, ArchivedLog } from "../flow/archived-log.ts";
import type { FlowShape } from "../flow/flow.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import { commonHashes, hasKeyHash, keyHash } from "./key-hashes.ts";
import { Manifest, type Segment, type StoredFile } from "./manifest.ts";
import { openStore } from "./open-store.ts";
import { SegmentReader } from "./segment.ts";
import type { SegmentFile, SegmentStore } from "./segment-store.ts";

/** Half of the time for which an archived message stays in the stream. */
const maxAgeMs = 5000;
/** How many segments are asked for a key at the same time. */
const atOnce = 32;

export class SegmentedLog implements ArchivedLog {
  readonly manifest: Manifest;
  readonly #connection: Connection;
  /** Where files of a remote store are kept, so that they are fetched once. */
  readonly cacheDir: string;
  readonly #stores = new Map<string, Promise<SegmentStore>>();

  constructor(connection: Connection, { stream }: FlowShape, env: NodeJS.ProcessEnv) {
    this.manifest = new Manifest(connection, stream);
    this.#connection = connection;
    this.cacheDir = archiveCacheDir(env);
  }

  async movedTo(): Promise<number> {
    await this.manifest.refresh(maxAgeMs);
    return this.manifest.movedTo;
  }

  async hasKeys(keys: readonly string[], to: number): Promise<ReadonlySet<string>> {
    await this.movedTo();
    const hashes = keys.map(keyHash);
    const sorted = BigUint64Array.from(hashes).sort();
    const found = new Set<bigint>();
    for (const segment of this.manifest.segments.filter((each) => each.to <= to)) {
      const file = await this.readFile(segment, segment.files.keys);
      for (const hash of commonHashes(file, sorted)) found.add(hash);
    }
    return new Set(keys.filter((_, index) => found.has(hashes[index] ?? 0n)));
  }

  async auditState(which?: { storedBeforeUs: number } | "pruned"): Promise<ArchivedAudit | undefined> {
    await this.movedTo();
    const { segments } = this.manifest;
    const segment = segments.findLast(({ prunedAtMs, storedToUs }) => {
      if (which === undefined) return true;
      return which === "pruned" ? prunedAtMs !== undefined : storedToUs < which.storedBeforeUs;
    });
    if (!segment) return undefined;
    const { to, storedToUs, store, files } = segment;
    const state = await this.readFile(segment, files.audit);
    return { from: segments[0]?.from ?? 1, to, storedToUs, state, file: `${files.audit.name} in ${store}` };
  }

  async verify(signal: AbortSignal): Promise<{ faults: string[] }> {
    const { findFaults } = await import("./verify.ts");
    const faults: string[] = [];
    for await (const { text } of findFaults(this, signal)) faults.push(text);
    signal.throwIfAborted();
    return { faults };
  }

  async readKey(key: string): Promise<StreamMessage[]> {
    return this.readKeyIn(await this.#holding(key), key);
  }

  /** What some segments, given in stream order, hold about a key. */
  async readKeyIn(segments: readonly Segment[], key: string): Promise<StreamMessage[]> {
    const messages: StreamMessage[] = [];
    for (const segment of segments) {
      const found = await this.#within(segment, (reader) => reader.readKey(key));
      // Its hash is there, and hashes of 64 bits do not meet.
      if (found.length === 0) throw damagedFile(await this.storeAt(segment.store), segment.files.data.name);
      messages.push(...found);
    }
    return messages;
  }

  async readBySequence(sequence: number): Promise<StreamMessage | undefined> {
    if (sequence > (await this.movedTo())) return undefined;
    const segment = this.manifest.segments.find(({ from, to }) => from <= sequence && sequence <= to);
    return segment && this.#within(segment, (reader) => reader.readBySequence(sequence));
  }

  async sequenceAt(timeUs: number): Promise<number> {
    const movedTo = await this.movedTo();
    return this.manifest.segments.find(({ storedToUs }) => storedToUs >= timeUs)?.from ?? movedTo + 1;
  }

  async *read({ from, to }: { from: number; to: number }): AsyncGenerator<StreamMessage[]> {
    await this.movedTo();
    const wanted = this.manifest.segments.filter((segment) => segment.from <= to && segment.to >= from);
    for (const segment of wanted) {
      const messages = await this.#within(segment, (reader) => reader.readAll());
      yield messages.filter(({ sequence }) => from <= sequence && sequence <= to);
    }
  }

  /** The bytes of a segment's file; rejects with `unavailable` when they are not those that the manifest names. */
  async readFile({ store }: Segment, stored: StoredFile): Promise<Uint8Array> {
    return readWhole(await this.storeAt(store), stored);
  }

  storeAt(url: string): Promise<SegmentStore> {
    const known = this.#stores.get(url);
    if (known) return known;
    const opening = openStore(url, { connection: this.#connection, cacheDir: this.cacheDir });
    this.#stores.set(url, opening);
    opening.catch(() => this.#stores.delete(url));
    return opening;
  }

  /** The segments with a key, in stream order. */
  async #holding(key: string): Promise<Segment[]> {
    await this.movedTo();
    const hash = keyHash(key);
    const segments = this.manifest.segments;
    const found: Segment[] = [];
    for (let at = 0; at < segments.length; at += atOnce) {
      const some = segments.slice(at, at + atOnce);
      const has = await Promise.all(some.map((segment) => this.#hasKey(segment, hash)));
      found.push(...some.filter((_, index) => has[index]));
    }
    return found;
  }

  async #hasKey({ store, files }: Segment, hash: bigint): Promise<boolean> {
    return withStored(await this.storeAt(store), files.keys, (file) => hasKeyHash(file, hash));
  }

  async #within<T>(segment: Segment, read: (reader: SegmentReader) => Promise<T>): Promise<T> {
    if (segment.prunedAtMs !== undefined) throw pruned(segment);
    const store = await this.storeAt(segment.store);
    return withStored(store, segment.files.data, async (file) => read(await SegmentReader.open(file)));
  }
}

export async function withFile<T>(
  store: SegmentStore,
  name: string,
  read: (file: SegmentFile) => Promise<T>,
): Promise<T> {
  const file = await store.open(name);
  try {
    return await read(file);
  } finally {
    await file.close();
  }
}

const pruned = ({ from, to, prunedAtMs = 0 }: Segment): OrderctlError =>
  new OrderctlError(
    "not_found",
    `messages ${from} to ${to} were archived and pruned at ${new Date(prunedAtMs).toISOString()}`,
    { source: "store" },
  );

/** As `withFile`, for a file that has to be as long as the manifest says: a shorter one would hide what it held. */
export const withStored = <T>(
  store: SegmentStore,
  { name, bytes }: StoredFile,
  read: (file: SegmentFile) => Promise<T>,
): Promise<T> =>
  withFile(store, name, (file) => {
    if (file.bytes !== bytes) throw damagedFile(store, name);
    return read(file);
  });

/** All messages of a segment's file, in stream order. */
export const readSegmentMessages = (store: SegmentStore, data: StoredFile): Promise<StreamMessage[]> =>
  withStored(store, data, async (file) => (await SegmentReader.open(file)).readAll());

/** The bytes of a file; rejects with `unavailable` when they are not those that it has to hold. */
export async function readWhole(
  store: SegmentStore,
  { name, bytes, sha256 }: StoredFile,
): Promise<Uint8Array> {
  const content = await withFile(store, name, (file) => file.read(0, file.bytes));
  const isWhole = content.length === bytes && createHash("sha256").update(content).digest("hex") === sha256;
  if (isWhole) return content;
  throw damagedFile(store, name);
}

const damagedFile = ({ url }: SegmentStore, name: string): OrderctlError =>
  new OrderctlError("unavailable", `${name} in ${url} is damaged: it is not what was written`, {
    source: "store",
  });
