import { archiveCacheDir } from "../core/directories.ts";
import { OrderctlError } from "../core/errors.ts";
import type { ArchivedAudit, ArchivedLog } from "../flow/archived-log.ts";
import type { FlowShape } from "../flow/flow.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import { keyHash } from "./key-hashes.ts";
import { KeyIndex, mostKeyBytes, segmentsWith } from "./key-index.ts";
import { Manifest, type Segment, type StoredFile } from "./manifest.ts";
import { OftenRead } from "./often-read.ts";
import { openStore } from "./open-store.ts";
import { SegmentReader } from "./segment.ts";
import type { SegmentStore } from "./segment-store.ts";
import { damagedFile, readWhole, withStored } from "./stored-file.ts";

/** Half of the time for which an archived message stays in the stream. */
const maxAgeMs = 5000;

/** So many keys are looked up in the files of all segments; for more of them, the keys of all are read once. */
const fewLookUps = 16;

export class SegmentedLog implements ArchivedLog {
  readonly manifest: Manifest;
  readonly #connection: Connection;
  /** Where files of a remote store are kept, so that they are fetched once. */
  readonly cacheDir: string;
  readonly #stores = new Map<string, Promise<SegmentStore>>();
  readonly #often: OftenRead;
  /** Of all segments, once it was asked for many keys. */
  #index: KeyIndex | undefined;
  #lookUps = 0;

  constructor(connection: Connection, flow: FlowShape, env: NodeJS.ProcessEnv) {
    this.manifest = new Manifest(connection, flow.stream);
    this.#often = new OftenRead((subject) => flow.parseSubject(subject)?.key);
    this.#connection = connection;
    this.cacheDir = archiveCacheDir(env);
  }

  async movedTo(): Promise<number> {
    await this.manifest.refresh(maxAgeMs);
    return this.manifest.movedTo;
  }

  async hasKeys(keys: readonly string[], to: number): Promise<ReadonlySet<string>> {
    const found = new Set<string>();
    for await (const { held } of this.#holdingAny(keys, to)) for (const key of held) found.add(key);
    return found;
  }

  async *readKeys(
    keys: readonly string[],
    to: number,
  ): AsyncGenerator<{ key: string; messages: readonly StreamMessage[] | undefined }> {
    for await (const { segment, held } of this.#holdingAny(keys, to)) {
      const isPruned = segment.prunedAtMs !== undefined;
      for (const key of held)
        yield { key, messages: isPruned ? undefined : await this.readKeyIn([segment], key) };
    }
  }

  /** The segments up to the sequence `to` that hold any of the keys, in stream order, each with those that it holds. */
  async *#holdingAny(
    keys: readonly string[],
    to: number,
  ): AsyncGenerator<{ segment: Segment; held: string[] }> {
    await this.movedTo();
    const index = await this.#readIndex();
    const byHash = new Map(keys.map((key) => [keyHash(key), key]));
    for await (const { segment, hashes } of index.holdingAny([...byHash.keys()], to))
      yield { segment, held: hashes.flatMap((hash) => byHash.get(hash) ?? []) };
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
      const found = await this.#readKeyOf(segment, key);
      // Its hash is there, and hashes of 64 bits do not meet.
      if (found.length === 0) throw damagedFile(await this.storeAt(segment.store), segment.files.data.name);
      messages.push(...found);
    }
    return messages;
  }

  async #readKeyOf(segment: Segment, key: string): Promise<StreamMessage[]> {
    const whole = this.#often.messagesOf(segment, () => this.#within(segment, (reader) => reader.readAll()));
    if (whole) return (await whole).get(key) ?? [];
    return this.#within(segment, (reader) => reader.readKey(key));
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
    this.#lookUps += 1;
    if (this.#lookUps <= fewLookUps) return segmentsWith(this, hash, this.manifest.segments);
    const index = await this.#readIndex();
    const segments = index.mayHave(hash);
    return segments ? index.holding(hash, segments) : [];
  }

  async #readIndex(): Promise<KeyIndex> {
    this.#index ??= new KeyIndex(this, mostKeyBytes);
    await this.#index.read(this.manifest.segments);
    return this.#index;
  }

  async #within<T>(segment: Segment, read: (reader: SegmentReader) => Promise<T>): Promise<T> {
    if (segment.prunedAtMs !== undefined) throw pruned(segment);
    const store = await this.storeAt(segment.store);
    return withStored(store, segment.files.data, async (file) => read(await SegmentReader.open(file)));
  }
}

const pruned = ({ from, to, prunedAtMs = 0 }: Segment): OrderctlError =>
  new OrderctlError(
    "not_found",
    `messages ${from} to ${to} were archived and pruned at ${new Date(prunedAtMs).toISOString()}`,
    { source: "store" },
  );

/** All messages of a segment's file, in stream order. */
export const readSegmentMessages = (store: SegmentStore, data: StoredFile): Promise<StreamMessage[]> =>
  withStored(store, data, async (file) => (await SegmentReader.open(file)).readAll());
