import { OrderctlError } from "../core/errors.ts";
import type { Problem } from "../jetstream/consume/problems.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";

/**
 * The part of a flow's log that was moved out of the broker: the messages up to one sequence, as they were stored, but
 * for broker headers, which are renamed to `Original-Nats-…`. What it knows is at most 5 s old, and nothing leaves the
 * broker within 10 s after it was archived: a message that the stream no longer holds is found here.
 *
 * Every read rejects with `unavailable` when the archive cannot be read: never an answer as if nothing were there. Reads
 * of messages that were removed from the archive by their age reject with `not_found` and source `store` (`isPruned`).
 */
export type ArchivedLog = {
  /** The last sequence that is archived; 0 where nothing is. Later messages are in the stream alone. */
  movedTo(): Promise<number>;
  /** What is archived about one key, in stream order; empty for a key without archived events. */
  readKey(key: string): Promise<StreamMessage[]>;
  readBySequence(sequence: number): Promise<StreamMessage | undefined>;
  /** A sequence before which no archived message was stored at a time (Unix µs) or later: where a segment begins. */
  sequenceAt(timeUs: number): Promise<number>;
  /** The archived messages from one sequence to another, both included, in stream order, in batches. */
  read(range: { from: number; to: number }): AsyncGenerator<StreamMessage[]>;
  /**
   * Which of the keys have archived messages up to the sequence `to`, the end of a segment. Compares hashes of 64 bits:
   * one key of 10^11 may be named in error.
   */
  hasKeys(keys: readonly string[], to: number): Promise<ReadonlySet<string>>;
  /**
   * The archived messages of those of the keys that have any up to the sequence `to`, the end of a segment: by segment,
   * in stream order, so that each is read once however many of the keys it holds. Undefined where they were pruned.
   */
  readKeys(
    keys: readonly string[],
    to: number,
  ): AsyncGenerator<{ key: string; messages: readonly StreamMessage[] | undefined }>;
  /**
   * The flow's audit of the archive up to the end of a segment: of the last one, without `which`; of the last one whose
   * messages were all stored before a time; of the last one whose messages were pruned, and can no longer be read.
   * Undefined where there is no such segment.
   */
  auditState(which?: { storedBeforeUs: number } | "pruned"): Promise<ArchivedAudit | undefined>;
  /**
   * Compares all that is kept with the manifest, and the manifest's entries with each other. Each fault names the
   * segment. Rejects only where the manifest cannot be read, and with the signal's reason.
   */
  verify(signal: AbortSignal): Promise<{ faults: string[] }>;
};

/** What the flow's audit had found when a segment was written. */
export type ArchivedAudit = {
  /**
   * The sequences between which the archived messages are that it knows of, both included. `from` is above 1 where the
   * log had lost its beginning before it was archived.
   */
  from: number;
  to: number;
  /** When the last of them was stored, Unix µs by the broker's clock. */
  storedToUs: number;
  /** See `FlowAudit.open`. */
  state: Uint8Array;
  /** The store and the file, as messages name them. */
  file: string;
};

/** For a log without an archive. */
export const nothingArchived: ArchivedLog = {
  movedTo: async () => 0,
  readKey: async () => [],
  readBySequence: async () => undefined,
  sequenceAt: async () => 1,
  async *read() {},
  hasKeys: async () => new Set(),
  async *readKeys() {},
  auditState: async () => undefined,
  verify: async () => ({ faults: [] }),
};

/** Whether a read of the archive failed because the messages were removed from it by their age. */
export const isPruned = (thrown: unknown): boolean =>
  thrown instanceof OrderctlError && thrown.code === "not_found" && thrown.source === "store";

/**
 * Why a service gives up on the first event of a key that has one in the archive: the detail of its dead letter begins
 * with it.
 */
export const repeatOfArchived = "repeat of an archived order";

/** Where that event was pruned, it has no payload and a sequence that is not above its own. */
export type ArchivedFirst = { sequence: number; payload: Uint8Array | undefined };

/** How far a log is archived, as far as a process knows. */
export type ArchiveProgress = {
  /**
   * False while it may not know of a segment whose events the broker no longer holds: then nothing may be stored that
   * follows from an event, as the stream might not refuse what is archived already.
   */
  isKnown(): boolean;
  /**
   * Whether a message is archived; to be asked while that `isKnown`. Only a message that every consumer has settled is
   * archived, though one that is made anew is handed it once more while the broker holds it.
   */
  hasArchived(sequence: number): boolean;
  /** Why it is not known, once that is known. */
  problems(): Problem[];
  stop(): void;
};

/** What a process that runs services follows of the archive: `keys` where it takes first events. */
export type FollowedArchive = { progress: ArchiveProgress; keys: ArchivedKeys | undefined };

/**
 * Tells which keys have archived first events, so that none of them begins again. Kept in memory: a few bytes a key.
 */
export type ArchivedKeys = Pick<ArchiveProgress, "problems" | "stop"> & {
  /** False while it may not know of a segment whose events the broker no longer holds: then nothing that begins a key may be worked on. */
  isCertain(): boolean;
  /** True once the keys were read, however old that is: enough for who only stores what a service checks again. */
  isRead(): boolean;
  /**
   * The archived first event of `key`; undefined for a key without one. Answers at once for nearly every key without
   * one, in ~1 µs for each 10 million keys; otherwise it looks the key up, and rejects with `unavailable` where it
   * cannot.
   */
  findFirst(key: string): Promise<ArchivedFirst | undefined> | undefined;
};
