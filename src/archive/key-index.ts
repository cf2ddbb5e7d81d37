import { commonHashes, hasKeyHash, includesHash } from "./key-hashes.ts";
import type { Segment } from "./manifest.ts";
import { SegmentKeys } from "./segment-keys.ts";
import type { SegmentedLog } from "./segmented-log.ts";
import { withStored } from "./stored-file.ts";

type KeyFiles = Pick<SegmentedLog, "readFile" | "storeAt">;

/** How many files are read at the same time. */
const atOnce = 16;
const nothing = new Uint8Array();
const mostFileBytes = 64 * 2 ** 20;
/** Most memory for the keys of an archive: enough for 67 million. */
export const mostKeyBytes = 256 * 2 ** 20;

/** Which segments of an archive have a key: in memory as far as there is room, and in their files beyond that. */
export class KeyIndex {
  readonly #archive: KeyFiles;
  readonly #keys: SegmentKeys;
  readonly #files = new Map<Segment, Uint8Array>();
  #fileBytes = 0;
  #reading: Promise<void> = Promise.resolve();
  /** Of which of the manifest's segments the keys are read. */
  #read: { from: number; to: number } | undefined;

  constructor(archive: KeyFiles, mostBytes: number) {
    this.#archive = archive;
    this.#keys = new SegmentKeys(mostBytes);
  }

  get isEmpty(): boolean {
    return this.#keys.isEmpty;
  }

  /** How many segments have no room in memory. */
  get outside(): number {
    return this.#keys.outside.size;
  }

  /** Reads the keys of the segments that are new since the last call. */
  read(segments: readonly Segment[]): Promise<void> {
    const reading = this.#reading.then(() => this.#readNew(segments));
    this.#reading = reading.catch(() => undefined);
    return reading;
  }

  /** The newest segments come first: of the oldest there may be more than have room. */
  async #readNew(segments: readonly Segment[]): Promise<void> {
    this.#read ??= { from: segments.length, to: segments.length };
    const read = this.#read;
    while (read.to < segments.length) {
      const newer = segments.slice(read.to, read.to + atOnce);
      for (const [segment, hashes] of await this.#readHashes(newer)) this.#keys.addNewer(segment, hashes);
      read.to += newer.length;
    }
    while (read.from > 0) {
      const older = segments.slice(Math.max(0, read.from - atOnce), read.from);
      await this.#addOlder(older.reverse());
      read.from -= older.length;
    }
  }

  /** The segments that may have a key, in any order; undefined for none. Hot path: ~1 µs for 10 million keys. */
  mayHave(hash: bigint): readonly Segment[] | undefined {
    return this.#keys.mayHave(hash);
  }

  /**
   * Which of some segments have a key, the oldest first. Files that were read for it stay in memory, the last 64 MB of
   * them: a file of orders that is published once more asks for one key after the other.
   */
  async holding(hash: bigint, segments: readonly Segment[]): Promise<Segment[]> {
    const found: Segment[] = [];
    for (let at = 0; at < segments.length; at += atOnce) {
      const some = segments.slice(at, at + atOnce);
      const files = await Promise.all(some.map((segment) => this.#fileOf(segment)));
      found.push(...some.filter((_, index) => includesHash(files[index] ?? nothing, hash)));
    }
    return found.sort(byStart);
  }

  /** The segments that end at `to` at most and have any of the keys, the oldest first, each with the hashes that it has. */
  async *holdingAny(
    hashes: readonly bigint[],
    to: number,
  ): AsyncGenerator<{ segment: Segment; hashes: bigint[] }> {
    const segments = new Set<Segment>();
    const suspects = hashes.filter((hash) => {
      const maybe = this.mayHave(hash)?.filter((segment) => segment.to <= to) ?? [];
      for (const segment of maybe) segments.add(segment);
      return maybe.length > 0;
    });
    const sorted = BigUint64Array.from(suspects).sort();
    for (const segment of [...segments].sort(byStart)) {
      const found = commonHashes(await this.#fileOf(segment), sorted);
      if (found.length > 0) yield { segment, hashes: found };
    }
  }

  #fileOf(segment: Segment): Uint8Array | Promise<Uint8Array> {
    return this.#files.get(segment) ?? this.#readFile(segment);
  }

  async #readFile(segment: Segment): Promise<Uint8Array> {
    const file = await this.#archive.readFile(segment, segment.files.keys);
    if (!this.#files.has(segment)) this.#fileBytes += file.length;
    this.#files.set(segment, file);
    for (const [oldest, { length }] of this.#files) {
      if (this.#fileBytes <= mostFileBytes) break;
      this.#files.delete(oldest);
      this.#fileBytes -= length;
    }
    return file;
  }

  async #addOlder(segments: readonly Segment[]): Promise<void> {
    if (!this.#keys.hasRoom) return this.#keys.addOutside(segments);
    for (const [segment, hashes] of await this.#readHashes(segments)) this.#keys.addOlder(segment, hashes);
  }

  #readHashes(segments: readonly Segment[]): Promise<(readonly [Segment, Uint8Array])[]> {
    const read = async (segment: Segment) =>
      [segment, await this.#archive.readFile(segment, segment.files.keys)] as const;
    return Promise.all(segments.map(read));
  }
}

/** Which of some segments have a key, by their files, the oldest first. */
export async function segmentsWith(
  archive: KeyFiles,
  hash: bigint,
  segments: readonly Segment[],
): Promise<Segment[]> {
  const has = async ({ store, files }: Segment): Promise<boolean> =>
    withStored(await archive.storeAt(store), files.keys, (file) => hasKeyHash(file, hash));
  const found: Segment[] = [];
  for (let at = 0; at < segments.length; at += atOnce) {
    const some = segments.slice(at, at + atOnce);
    const hits = await Promise.all(some.map(has));
    found.push(...some.filter((_, index) => hits[index]));
  }
  return found.sort(byStart);
}

const byStart = (a: Segment, b: Segment): number => a.from - b.from;
