import { setTimeout as wait } from "node:timers/promises";
import { OrderctlError } from "../core/errors.ts";
import type { Note } from "../core/note.ts";
import { isoTime } from "../core/units.ts";
import type { FlowLog } from "../flow/flow.ts";
import { heldBackText } from "../flow/log-archive.ts";
import { readBrokerClock } from "../jetstream/client/broker-clock.ts";
import { type Problem, Problems } from "../jetstream/consume/problems.ts";
import { readStreamIdentity } from "../jetstream/streams/apply-topology.ts";
import { type HeldBack, readMovable } from "../jetstream/streams/movable.ts";
import { purgeBefore } from "../jetstream/streams/purge.ts";
import { readExtent, readNext, readStreamSize, type StreamSize } from "../jetstream/streams/read-message.ts";
import { readStream, sequenceAt } from "../jetstream/streams/read-stream.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import { ofOtherLog, type Segment, type SegmentEntry } from "./manifest.ts";
import type { SegmentStore } from "./segment-store.ts";
import type { SegmentedLog } from "./segmented-log.ts";
import { findDamage, removeFiles, repairSegment, writeSegment } from "./write-segment.ts";

export type ArchiverOptions = {
  store: SegmentStore;
  /** Events younger than this stay in the broker, ms. */
  keepMs: number;
  /** Events of one segment. */
  segmentEvents: number;
  /** The least time between two purges, each of which stops the stream for a moment, ms. */
  purgeEveryMs: number;
  /** How long an entry stands in the manifest before its messages are purged, ms; `leastSettleMs` at least. */
  settleMs: number;
  /** How long a consumer stands at a message that should be archived until it is told to hold back, ms. */
  heldAfterMs?: number;
  note: Note;
};

/** What is archived, and what keeps the rest from it. */
export type ArchiveStatus = {
  /** The last archived sequence, and when that message was stored, Unix µs; 0 and `null` where nothing is archived. */
  movedTo: number;
  movedToUs: number | null;
  /** The first sequence that the stream still holds. */
  firstSequence: number;
  segments: number;
  /** The bytes of the segments' messages in the store. */
  bytes: number;
  /** The messages that are older than is kept, and are not archived. */
  behind: number;
  /** For how long the next segment has been whole and older than is kept; 0 while it is not. */
  lagMs: number;
  /** The durable consumer that keeps messages older than is kept from being archived, if one does. */
  heldBack: HeldBack | undefined;
};

export type Archiver = {
  /** Undefined until it has looked for the first time. */
  status(): ArchiveStatus | undefined;
  problems(): Problem[];
  /** Ends after the step under way, or within `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
};

/** Twice the age of what anybody may know of the manifest: whoever misses a message in the stream knows where it is. */
export const leastSettleMs = 10_000;

/** Payloads of one segment, at most one batch more. */
const mostBytes = 64 * 2 ** 20;
/**
 * The stream takes nothing while the broker purges, which takes longer the more it holds. That, and what has piled up
 * meanwhile, must stay well below one order in a hundred.
 */
const purgeShare = 1 / 1000;
const lookEveryMs = 1000;
const maxBackoffMs = 30_000;
const heldAfterMs = 60_000;

/**
 * Moves the oldest part of a flow's log into segments, one after the other: reads it, writes the segment, reads that
 * back, enters it into the manifest and, later, purges it from the stream. A crash anywhere repeats a step and loses
 * nothing. Of several archivers, one enters each segment.
 */
export function startArchiver(log: FlowLog, archive: SegmentedLog, options: ArchiverOptions): Archiver {
  const stop = new AbortController();
  const archiving = new Archiving({ log, archive, options, signal: stop.signal });
  const running = archiving.run();
  return {
    status: () => archiving.status(),
    problems: () => archiving.problems.list(),
    async stop(deadlineMs) {
      stop.abort();
      await Promise.race([running, wait(deadlineMs, undefined, { ref: false })]);
    },
  };
}

type Work = { log: FlowLog; archive: SegmentedLog; options: ArchiverOptions; signal: AbortSignal };

class Archiving {
  readonly #log: FlowLog;
  readonly #archive: SegmentedLog;
  readonly #options: Required<ArchiverOptions>;
  readonly #signal: AbortSignal;
  readonly problems: Problems;
  /** By its first sequence: when this process first saw an entry of which the stream still holds messages. */
  readonly #seenAt = new Map<number, number>();
  #purgeAt = Number.NEGATIVE_INFINITY;
  #seen: Omit<ArchiveStatus, "lagMs"> | undefined;
  /** Since when the next segment could have been written, by the monotonic clock. */
  #dueSince: number | undefined;

  constructor({ log, archive, options, signal }: Work) {
    this.#log = log;
    this.#archive = archive;
    this.#options = { heldAfterMs, ...options };
    this.#signal = signal;
    this.problems = new Problems("archive", options.note);
  }

  status(): ArchiveStatus | undefined {
    if (!this.#seen) return undefined;
    const lagMs = this.#dueSince === undefined ? 0 : Math.round(performance.now() - this.#dueSince);
    return { ...this.#seen, lagMs };
  }

  async run(): Promise<void> {
    for (let failures = 0; !this.#signal.aborted; ) {
      const isMore = await this.#step().then(
        (moved) => {
          failures = 0;
          this.problems.end("step");
          return moved;
        },
        (thrown) => {
          failures += 1;
          this.#tell(OrderctlError.from(thrown));
          return false;
        },
      );
      const pauseMs = Math.min(lookEveryMs * 2 ** Math.max(0, failures - 1), maxBackoffMs);
      if (!isMore) await wait(pauseMs, undefined, { signal: this.#signal }).catch(() => undefined);
    }
  }

  #tell({ message, hint }: OrderctlError): void {
    if (this.#signal.aborted) return;
    this.problems.add("step", typeof hint === "string" ? `${message}; ${hint}` : message);
  }

  /** Purges what is due and archives one segment; true if there may be another one to archive at once. */
  async #step(): Promise<boolean> {
    const { connection, flow } = this.#log;
    const { manifest } = this.#archive;
    await manifest.refresh();
    const last = manifest.segments.at(-1);
    if (last) mustBe(this.#options.store, last);
    const [{ nowUs }, size, identity] = await Promise.all([
      readBrokerClock(connection, flow.stream),
      readStreamSize(connection, flow.stream),
      readStreamIdentity(connection, flow.stream),
    ]);
    if (!size) throw new OrderctlError("not_found", `there is no stream ${flow.stream}`);
    if (last) mustGoOn(flow.stream, { identity, ...size }, last);
    const needed = flow.subscriptions.map(({ consumer }) => consumer);
    const movable = await readMovable(connection, flow.stream, needed);
    const keptFromUs = nowUs() - this.#options.keepMs * 1000;
    const kept = await sequenceAt(connection, { stream: flow.stream, start: { timeUs: keptFromUs } });
    const range = await this.#nextRange(kept - 1, keptFromUs);
    // Told before anything else may fail.
    this.#report(size, { kept, range, heldBack: movable.heldBack, nowUs: nowUs() });
    await this.#purge(size, movable.to);
    if (!range || range.to > movable.to) return false;
    const { to, messages } = await this.#readNext(range);
    if (this.#signal.aborted) return false;
    const { store } = this.#options;
    const part = { log: identity, from: range.from, to, messages, store };
    const entry = await writeSegment(this.#log, this.#archive, part);
    await this.#enter(entry);
    return true;
  }

  /** Of several archivers one enters the next segment; the others remove their files and go on behind it. */
  async #enter(entry: SegmentEntry): Promise<void> {
    const { manifest } = this.#archive;
    await manifest.append(entry);
    await manifest.refresh();
    // Only what the manifest holds tells whose it is: the answer to an attempt may have been lost.
    const isEntered = manifest.segments.some(({ files }) => files.data.name === entry.files.data.name);
    if (!isEntered) await removeFiles(this.#options.store, entry);
  }

  /**
   * The next part to archive, if it is whole: as many events as a segment has, or what is left of a day (UTC) that is
   * over. `last`: nothing behind it is old enough.
   */
  async #nextRange(last: number, keptFromUs: number): Promise<NextRange | undefined> {
    const { connection, flow } = this.#log;
    const from = this.#archive.manifest.movedTo + 1;
    const first = await readNext(connection, flow.stream, { seq: from, next_by_subj: ">" });
    if (!first || first.sequence > last) return undefined;
    const nextDayUs = dayOf(first.storedAtUs) + dayUs;
    const isDayOver = nextDayUs <= keptFromUs;
    const nextDay =
      isDayOver && (await sequenceAt(connection, { stream: flow.stream, start: { timeUs: nextDayUs } }));
    const full = first.sequence + this.#options.segmentEvents - 1;
    // Where the broker's clock was set back, the next day may lie before the first message.
    const to = nextDay && nextDay > first.sequence ? Math.min(full, nextDay - 1) : full;
    if (to > last) return undefined;
    const end =
      to < full ? undefined : await readNext(connection, flow.stream, { seq: to, next_by_subj: ">" });
    const wholeUs = Math.min(end?.storedAtUs ?? nextDayUs, keptFromUs);
    return { from: from === 1 ? first.sequence : from, to, dueForUs: keptFromUs - wholeUs };
  }

  /** Reads no more than fits into memory: then the segment ends earlier. */
  async #readNext(range: SegmentRange): Promise<{ to: number; messages: StreamMessage[] }> {
    const messages: StreamMessage[] = [];
    let bytes = 0;
    for await (const batch of this.#read(range)) {
      messages.push(...batch);
      bytes += batch.reduce((sum, { payload }) => sum + payload.length, 0);
      if (bytes > mostBytes) break;
    }
    await this.#mustBeAll(range.from, messages);
    const last = messages.at(-1)?.sequence ?? range.to;
    return { to: bytes > mostBytes ? last : range.to, messages };
  }

  #read({ from, to }: SegmentRange): AsyncGenerator<StreamMessage[]> {
    const { connection, flow } = this.#log;
    const place = { stream: flow.stream, start: { sequence: from }, toSequence: to, signal: this.#signal };
    return readStream(connection, place);
  }

  /** A reader may be served by a copy that has lost messages: the leader tells whether what is missing was deleted. */
  async #mustBeAll(from: number, messages: readonly StreamMessage[]): Promise<void> {
    const { connection, flow } = this.#log;
    let expected = from;
    for (const { sequence } of messages) {
      const query = { seq: expected, next_by_subj: ">" };
      const next = sequence === expected ? undefined : await readNext(connection, flow.stream, query);
      if (next && next.sequence < sequence)
        throw new OrderctlError("unavailable", `message ${next.sequence} of ${flow.stream} was not read`, {
          source: "broker",
        });
      expected = sequence + 1;
    }
  }

  /**
   * Purges what the manifest has named for long enough, and whose files still are what it names. `movable`: a consumer
   * that was made meanwhile may be handed what is behind it.
   */
  async #purge({ firstSequence, messages }: StreamSize, movable: number): Promise<void> {
    const { segments } = this.#archive.manifest;
    const held = messages === 0 ? [] : segments.filter(({ to }) => to >= firstSequence);
    const due = this.#settled(held).filter(({ to }) => to <= movable);
    const last = due.at(-1);
    if (!last || performance.now() < this.#purgeAt) return;
    for (const segment of due) await this.#mustBeWhole(segment);
    const { connection, flow } = this.#log;
    // Asked again, as that may have taken long.
    const [identity, size] = [
      await readStreamIdentity(connection, flow.stream),
      await readExtent(connection, flow.stream),
    ];
    mustGoOn(flow.stream, { identity, ...size }, last);
    const purgedAt = performance.now();
    await purgeBefore(connection, flow.stream, last.to + 1);
    const tookMs = performance.now() - purgedAt;
    this.#purgeAt = purgedAt + pauseAfterPurge(tookMs, this.#options);
  }

  /** Those of the segments that this process has known for long enough. */
  #settled(held: readonly Segment[]): Segment[] {
    const now = performance.now();
    const first = held[0]?.from ?? Number.POSITIVE_INFINITY;
    for (const from of this.#seenAt.keys()) if (from < first) this.#seenAt.delete(from);
    for (const { from } of held) if (!this.#seenAt.has(from)) this.#seenAt.set(from, now);
    return held.filter(({ from }) => now - (this.#seenAt.get(from) ?? now) >= this.#options.settleMs);
  }

  /** Files that were damaged while the log still has their messages are written again. */
  async #mustBeWhole(segment: Segment): Promise<void> {
    const damage = await findDamage(this.#archive, segment);
    if (damage === undefined) return this.problems.end(`damage ${segment.from}`);
    this.problems.add(`damage ${segment.from}`, `${damage}; it is written again from the log`);
    const messages: StreamMessage[] = [];
    for await (const batch of this.#read(segment)) messages.push(...batch);
    await repairSegment(this.#log, this.#archive, { segment, messages });
    this.problems.end(`damage ${segment.from}`);
  }

  #report({ firstSequence }: StreamSize, { kept, range, heldBack, nowUs }: Seen): void {
    const { movedTo, segments } = this.#archive.manifest;
    const overdueUs = (this.#options.keepMs + this.#options.heldAfterMs) * 1000;
    const holder = heldBack && nowUs - heldBack.storedAtUs > overdueUs ? heldBack : undefined;
    this.#dueSince = range && performance.now() - range.dueForUs / 1000;
    this.#seen = {
      movedTo,
      movedToUs: segments.at(-1)?.storedToUs ?? null,
      firstSequence,
      segments: segments.length,
      bytes: segments.reduce((sum, { files }) => sum + files.data.bytes, 0),
      behind: Math.max(0, kept - 1 - Math.max(movedTo, firstSequence - 1)),
      heldBack: holder,
    };
    if (holder) this.problems.add("held", heldBackText({ ...holder, since: isoTime(holder.storedAtUs) }));
    else this.problems.end("held");
  }
}

type SegmentRange = { from: number; to: number };
/** `dueForUs`: for how long it has been whole and older than is kept. */
type NextRange = SegmentRange & { dueForUs: number };

type Seen = { kept: number; range: NextRange | undefined; heldBack: HeldBack | undefined; nowUs: number };

const dayUs = 24 * 3600 * 1e6;
const dayOf = (us: number): number => Math.floor(us / dayUs) * dayUs;

/** Bounded by what is kept: what piles up until then makes the next purge longer. */
function pauseAfterPurge(tookMs: number, { purgeEveryMs, keepMs }: ArchiverOptions): number {
  return Math.max(purgeEveryMs, Math.min(tookMs / purgeShare, keepMs));
}

/**
 * In a stream that was made anew, or set back to an earlier state, the sequences of the archive are events that nobody
 * has archived.
 */
function mustGoOn(
  stream: string,
  { identity, lastSequence }: { identity: string; lastSequence: number },
  { log, to }: Segment,
): void {
  if (log !== identity) throw ofOtherLog(stream, log);
  if (lastSequence >= to) return;
  const text = `stream ${stream} ends with message ${lastSequence}, and was archived up to message ${to}: it was set back`;
  throw new OrderctlError("conflict", text, { source: "store" });
}

/** Two stores would each hold a part that the other archiver takes for missing. */
function mustBe({ url }: SegmentStore, { store, to }: Segment): void {
  if (url === store) return;
  throw new OrderctlError("usage", `the log is archived in ${store} up to message ${to}, not in ${url}`, {
    hint: `--archive ${store} goes on there`,
  });
}
