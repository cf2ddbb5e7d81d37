import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../core/errors.ts";
import { type Moment, momentNow, msSince } from "../core/moment.ts";
import type { Note } from "../core/note.ts";
import { untilAborted } from "../core/waiting.ts";
import type { ArchivedFirst, ArchivedKeys } from "../flow/archived-log.ts";
import { type Flow, type FlowLog, findFault } from "../flow/flow.ts";
import { type Problem, Problems } from "../jetstream/consume/problems.ts";
import { hasKeyHash, keyHash } from "./key-hashes.ts";
import type { Segment } from "./manifest.ts";
import { SegmentKeys } from "./segment-keys.ts";
import { SegmentedLog, withStored } from "./segmented-log.ts";

type Options = {
  env: NodeJS.ProcessEnv;
  /** What notes call the services that may not work without the keys. */
  who: string;
  note: Note;
  /** Most memory for the keys, 4 MB per million; the oldest beyond that are looked up in their files, each time. */
  mostBytes?: number;
  /** Waits for the first read, however long it takes, until this aborts. */
  patient?: AbortSignal;
};

/** Half of the time for which an archived message stays in the stream. */
const mostAgeMs = 5000;
const everyMs = 2000;
const retryMs = 500;
/** How long the first read may take until it is told of. */
const longMs = 2000;
/** How many files are read at the same time. */
const atOnce = 16;
/** Enough for 67 million keys. */
const defaultBytes = 256 * 2 ** 20;
const problem = "archive";

/**
 * Reads the keys of a log's archive, and every 2 s those that are new. Resolves once they are read, or a read has
 * failed, or, unless `patient`, has taken 2 s; goes on in any case, and tells in a note why the keys are not certain.
 */
export async function openArchivedKeys(
  { connection, flow }: Pick<FlowLog, "connection" | "flow">,
  { env, patient, ...options }: Options,
): Promise<ArchivedKeys> {
  const keys = new FollowedKeys(flow, new SegmentedLog(connection, flow, env), options);
  // What took long to read is no longer new.
  const first = keys.read().then((isRead) => (isRead && !keys.isCertain() ? keys.read() : isRead));
  void first.then((isRead) => keys.follow(isRead));
  if (patient) await untilAborted(first, patient);
  else await Promise.race([first, wait(longMs, undefined, { ref: false })]);
  return keys;
}

/** Of which of the manifest's segments the keys are known. */
type Known = { from: number; to: number };

class FollowedKeys implements ArchivedKeys {
  readonly #flow: Flow;
  readonly #archive: SegmentedLog;
  readonly #note: Note;
  readonly #problems: Problems;
  readonly #keys: SegmentKeys;
  #known: Known | undefined;
  /** The last moment at which the manifest named no others. */
  #certainAt: Moment | undefined;
  #isToldOfOutside = false;
  readonly #stopping = new AbortController();

  constructor(
    flow: Flow,
    archive: SegmentedLog,
    { who, note, mostBytes = defaultBytes }: Pick<Options, "who" | "note" | "mostBytes">,
  ) {
    this.#flow = flow;
    this.#archive = archive;
    this.#note = note;
    this.#problems = new Problems(who, note);
    this.#keys = new SegmentKeys(mostBytes);
  }

  isCertain(): boolean {
    return this.#certainAt !== undefined && msSince(this.#certainAt) <= mostAgeMs;
  }

  isRead(): boolean {
    return this.#certainAt !== undefined;
  }

  findFirst(key: string): Promise<ArchivedFirst | undefined> | undefined {
    if (this.#keys.isEmpty) return undefined;
    const hash = keyHash(key);
    const segments = this.#keys.mayHave(hash);
    return segments && this.#lookUp(key, hash, segments);
  }

  problems(): Problem[] {
    return this.#problems.list();
  }

  stop(): void {
    this.#stopping.abort();
  }

  async follow(isRead: boolean): Promise<void> {
    const { signal } = this.#stopping;
    for (let isWell = isRead; !signal.aborted; isWell = await this.read()) {
      const restMs = isWell && this.#certainAt ? everyMs - msSince(this.#certainAt) : retryMs;
      await wait(Math.max(0, restMs), undefined, { ref: false, signal }).catch(() => undefined);
    }
  }

  /** False when it failed. */
  async read(): Promise<boolean> {
    try {
      const at = momentNow();
      await this.#archive.manifest.refresh();
      await this.#readNew(this.#archive.manifest.segments);
      this.#certainAt = at;
      if (this.isCertain()) this.#problems.end(problem);
      return true;
    } catch (thrown) {
      const { message, hint } = OrderctlError.from(thrown);
      this.#tell(typeof hint === "string" ? `${message}; ${hint}` : message);
      return false;
    }
  }

  #tell(why: string): void {
    if (this.isCertain() || this.#stopping.signal.aborted) return;
    this.#problems.add(problem, `takes nothing: ${why}`);
  }

  async #readNew(segments: readonly Segment[]): Promise<void> {
    this.#known ??= { from: segments.length, to: segments.length };
    const slow = setTimeout(() => this.#tell("it still reads the keys of archived segments"), longMs).unref();
    try {
      await this.#readBeyond(this.#known, segments);
    } finally {
      clearTimeout(slow);
    }
    this.#tellOfOutside();
  }

  /** The newest segments come first: of the oldest there may be more than have room. */
  async #readBeyond(known: Known, segments: readonly Segment[]): Promise<void> {
    while (known.to < segments.length) {
      const newer = segments.slice(known.to, known.to + atOnce);
      for (const [segment, hashes] of await this.#readHashes(newer)) this.#keys.addNewer(segment, hashes);
      known.to += newer.length;
    }
    while (known.from > 0) {
      const older = segments.slice(Math.max(0, known.from - atOnce), known.from);
      await this.#addOlder(older.reverse());
      known.from -= older.length;
    }
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

  #tellOfOutside(): void {
    const { size } = this.#keys.outside;
    if (size === 0 || this.#isToldOfOutside) return;
    this.#isToldOfOutside = true;
    const text = `the keys of ${size} of ${this.#archive.manifest.segments.length} archived segments have no room`;
    this.#note(`${text} in memory: each order is looked up in their files, which takes longer`);
  }

  async #lookUp(key: string, hash: bigint, segments: readonly Segment[]): Promise<ArchivedFirst | undefined> {
    const holding = await this.#holding(hash, segments);
    const [oldest] = holding;
    if (!oldest) return undefined;
    // What was pruned cannot tell; its hash alone makes a repeat of the key.
    if (holding.some(({ prunedAtMs }) => prunedAtMs !== undefined))
      return { sequence: oldest.from, payload: undefined };
    const subject = this.#flow.subjectOf(this.#flow.firstKind, key);
    const messages = await this.#archive.readKeyIn(holding, key);
    return messages.find(
      (message) =>
        message.subject === subject && findFault(this.#flow, subject, message.payload) === undefined,
    );
  }

  /** Which of the segments have a hash, the oldest first. */
  async #holding(hash: bigint, segments: readonly Segment[]): Promise<Segment[]> {
    const found: Segment[] = [];
    for (let at = 0; at < segments.length; at += atOnce) {
      const some = segments.slice(at, at + atOnce);
      const has = await Promise.all(some.map((segment) => this.#hasHash(segment, hash)));
      found.push(...some.filter((_, index) => has[index]));
    }
    return found.sort((a, b) => a.from - b.from);
  }

  async #hasHash({ store, files }: Segment, hash: bigint): Promise<boolean> {
    const opened = await this.#archive.storeAt(store);
    return withStored(opened, files.keys, (file) => hasKeyHash(file, hash));
  }
}
