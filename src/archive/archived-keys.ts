import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../core/errors.ts";
import { type Moment, momentNow, msSince } from "../core/moment.ts";
import type { Note } from "../core/note.ts";
import { untilAborted } from "../core/waiting.ts";
import type { ArchivedFirst, ArchivedKeys, ArchiveProgress, FollowedArchive } from "../flow/archived-log.ts";
import { type Flow, type FlowLog, findFault } from "../flow/flow.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import { type Problem, Problems } from "../jetstream/consume/problems.ts";
import { keyHash } from "./key-hashes.ts";
import { KeyIndex, mostKeyBytes } from "./key-index.ts";
import type { Segment } from "./manifest.ts";
import { SegmentedLog } from "./segmented-log.ts";

type Options = {
  env: NodeJS.ProcessEnv;
  /** What notes call the services that may not work without it. */
  who: string;
  note: Note;
  /** Waits for the first read, however long it takes, until this aborts. */
  patient?: AbortSignal;
};

type KeyOptions = Options & {
  /** Most memory for the keys, 4 MB per million; the oldest beyond that are looked up in their files, each time. */
  mostBytes?: number;
};

/** Half of the least time for which an archived message stays in the stream. */
const mostAgeMs = 5000;
const everyMs = 2000;
const retryMs = 500;
/** How long the first read may take until it is told of. */
const longMs = 2000;
const problem = "archive";

type Log = Pick<FlowLog, "connection" | "flow">;

/**
 * Reads the keys of a log's archive, and every 2 s those that are new. Resolves once they are read, or a read has
 * failed, or, unless `patient`, has taken 2 s; goes on in any case, and tells in a note why the keys are not certain.
 */
export async function openArchivedKeys(
  log: Log,
  options: KeyOptions,
): Promise<ArchivedKeys & ArchiveProgress> {
  const { mostBytes = mostKeyBytes } = options;
  return opened(new Followed(log, options, mostBytes), options);
}

/** As `openArchivedKeys`; without `keys`, nothing but how far the log is archived. */
export async function followArchive(
  log: Log,
  { keys: withKeys, ...options }: Options & { keys: boolean },
): Promise<FollowedArchive> {
  if (!withKeys) return { progress: await opened(new Followed(log, options), options), keys: undefined };
  const keys = await openArchivedKeys(log, options);
  return { progress: keys, keys };
}

async function opened(followed: Followed, { patient }: Options): Promise<Followed> {
  // What took long to read is no longer new.
  const first = followed
    .read()
    .then((isRead) => (isRead && !followed.isCertain() ? followed.read() : isRead));
  void first.then((isRead) => followed.follow(isRead));
  if (patient) await untilAborted(first, patient);
  else await Promise.race([first, wait(longMs, undefined, { ref: false })]);
  return followed;
}

/** How old what was read is. */
class Freshness {
  #readAt: Moment | undefined;
  #isForgotten = false;

  get ms(): number {
    return this.#readAt ? msSince(this.#readAt) : Number.POSITIVE_INFINITY;
  }

  get isFresh(): boolean {
    return !this.#isForgotten && this.ms <= mostAgeMs;
  }

  read(at: Moment): void {
    this.#readAt = at;
    this.#isForgotten = false;
  }

  /** It counts for stale until the next read. */
  forget(): void {
    this.#isForgotten = true;
  }
}

class Followed implements ArchiveProgress, ArchivedKeys {
  readonly #flow: Flow;
  readonly #archive: SegmentedLog;
  readonly #note: Note;
  readonly #problems: Problems;
  readonly #index: KeyIndex | undefined;
  readonly #manifest = new Freshness();
  /** Of the keys of all segments that the manifest names. */
  readonly #keys = new Freshness();
  #archivedTo = 0;
  /** Of the connection: what was asked for on an earlier one does not count. */
  #generation = 0;
  #isToldOfOutside = false;
  readonly #stopping = new AbortController();
  /** Ends the wait for the next read. */
  #next = new AbortController();
  readonly #connection: Connection;
  readonly #unlisten: () => void;

  /** Without `mostKeyBytes` it knows no keys. */
  constructor({ connection, flow }: Log, { env, who, note }: Options, mostKeyBytes?: number) {
    this.#flow = flow;
    this.#archive = new SegmentedLog(connection, flow, env);
    this.#note = note;
    this.#problems = new Problems(who, note);
    this.#index = mostKeyBytes === undefined ? undefined : new KeyIndex(this.#archive, mostKeyBytes);
    this.#connection = connection;
    this.#unlisten = connection.onReconnect(() => this.#forget());
  }

  isKnown(): boolean {
    return this.#manifest.isFresh;
  }

  hasArchived(sequence: number): boolean {
    return sequence <= this.#archivedTo;
  }

  isCertain(): boolean {
    return this.#keys.isFresh;
  }

  isRead(): boolean {
    return this.#keys.ms < Number.POSITIVE_INFINITY;
  }

  findFirst(key: string): Promise<ArchivedFirst | undefined> | undefined {
    if (!this.#index || this.#index.isEmpty) return undefined;
    const hash = keyHash(key);
    const segments = this.#index.mayHave(hash);
    return segments && this.#lookUp(key, this.#index.holding(hash, segments));
  }

  problems(): Problem[] {
    return this.#problems.list();
  }

  stop(): void {
    this.#unlisten();
    this.#stopping.abort();
    this.#next.abort();
  }

  async follow(isRead: boolean): Promise<void> {
    for (let isWell = isRead; !this.#stopping.signal.aborted; ) {
      const restMs = isWell ? everyMs - this.#keys.ms : retryMs;
      const { signal } = this.#next;
      await wait(Math.max(0, restMs), undefined, { ref: false, signal }).catch(() => undefined);
      if (this.#stopping.signal.aborted) return;
      this.#next = new AbortController();
      isWell = await this.read();
    }
  }

  /** False when it failed. */
  async read(): Promise<boolean> {
    const generation = this.#generation;
    try {
      const at = momentNow();
      const { manifest } = this.#archive;
      // A question on a lost connection is answered late, and keeps the next one waiting.
      if (!this.#connection.isConnected()) throw brokerAway(this.#flow);
      await manifest.refresh();
      if (generation !== this.#generation) return true;
      this.#archivedTo = manifest.movedTo;
      this.#manifest.read(at);
      await this.#readNew(manifest.segments);
      if (generation !== this.#generation) return true;
      this.#keys.read(at);
      if (this.isCertain()) this.#problems.end(problem);
      return true;
    } catch (thrown) {
      const { message, hint } = OrderctlError.from(thrown);
      this.#tell(typeof hint === "string" ? `${message}; ${hint}` : message);
      return false;
    }
  }

  async #readNew(segments: readonly Segment[]): Promise<void> {
    if (!this.#index) return;
    const slow = setTimeout(() => this.#tell("it still reads the keys of archived segments"), longMs).unref();
    try {
      await this.#index.read(segments);
    } finally {
      clearTimeout(slow);
    }
    const { outside } = this.#index;
    if (outside === 0 || this.#isToldOfOutside) return;
    this.#isToldOfOutside = true;
    const text = `the keys of ${outside} of ${segments.length} archived segments have no room in memory`;
    this.#note(`${text}: each order is looked up in their files, which takes longer`);
  }

  /** Where a whole machine stood still, none of its clocks tells; that the broker has ended the connection does. */
  #forget(): void {
    this.#generation += 1;
    this.#manifest.forget();
    this.#keys.forget();
    this.#next.abort();
  }

  #tell(why: string): void {
    if (this.#keys.ms <= mostAgeMs || this.#stopping.signal.aborted) return;
    this.#problems.add(problem, `takes nothing: ${why}`);
  }

  async #lookUp(key: string, finding: Promise<Segment[]>): Promise<ArchivedFirst | undefined> {
    const holding = await finding;
    const [oldest] = holding;
    if (!oldest) return undefined;
    // What was pruned cannot tell; its hash alone makes a repeat of the key.
    if (holding.some(({ prunedAtMs }) => prunedAtMs !== undefined))
      return { sequence: oldest.from, payload: undefined };
    const subject = this.#flow.subjectOf(this.#flow.firstKind, key);
    const messages = await this.#archive.readKeyIn(holding, key);
    return messages.find(
      (message) => message.subject === subject && findFault(this.#flow, message) === undefined,
    );
  }
}

const brokerAway = ({ stream }: Flow): OrderctlError =>
  new OrderctlError("unavailable", `cannot tell what of ${stream} is archived: the broker is away`, {
    source: "broker",
  });
