import { readLastSequence } from "../jetstream/streams/read-message.ts";
import { readStream } from "../jetstream/streams/read-stream.ts";
import { covers } from "../jetstream/streams/replay-streams.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import type { ArchivedLog } from "./archived-log.ts";
import type { FlowLog } from "./flow.ts";

/** Which messages of a log to read. */
export type LogRange = {
  /** The first sequence. */
  from: number;
  /** The last sequence; by default the stream's last one when reading begins. */
  to?: number | undefined;
  /** Only messages on this subject (wildcards allowed). */
  filter?: string | undefined;
  /** Reading ends before the first message stored later than this, Unix µs. */
  untilUs?: number | undefined;
  /** Ends the reading early, without an error. */
  signal: AbortSignal;
};

/**
 * Yields the messages of archive and stream as one log: in stream order, each once, in batches. What is moved into the
 * archive while it is read is read there. A message that was deleted before its turn comes is skipped.
 *
 * Rejects as `readStream` does, and with `unavailable` when the archive cannot be read.
 */
export async function* readLog(log: FlowLog, range: LogRange): AsyncGenerator<StreamMessage[]> {
  const { connection, flow, archive } = log;
  const to = range.to ?? (await readLastSequence(connection, flow.stream));
  const moved = Math.min(await archive.movedTo(), to);
  yield* readArchived(archive, { ...range, to: moved });
  yield* readOn(log, { ...range, from: Math.max(range.from, moved + 1), to });
}

type Part = LogRange & { to: number };

/** What the stream holds of a part, and the archive of what leaves the stream meanwhile. */
async function* readOn(
  { connection, flow: { stream }, archive }: FlowLog,
  { from, ...rest }: Part,
): AsyncGenerator<StreamMessage[]> {
  const { to, filter, untilUs, signal } = rest;
  let next = from;
  const place = { stream, filter, start: { sequence: from }, toSequence: to, untilUs, signal };
  for await (const batch of readStream(connection, place)) {
    const end = batch.at(-1)?.sequence ?? next;
    yield* withMoved(archive, batch, { ...rest, from: next, to: end });
    next = end + 1;
  }
  yield* readMoved(archive, { ...rest, from: next, to });
}

/**
 * A batch that was read from sequence `from` on, the last one being `to`. Messages that are missing may have been moved
 * since: nothing leaves the stream before the archive tells of it.
 */
async function* withMoved(
  archive: ArchivedLog,
  batch: StreamMessage[],
  part: Part,
): AsyncGenerator<StreamMessage[]> {
  if (batch.length === part.to - part.from + 1) {
    yield batch;
    return;
  }
  const moved = yield* readMoved(archive, part);
  const later = batch.filter(({ sequence }) => sequence > moved);
  if (later.length > 0 && !part.signal.aborted) yield later;
}

/** What is archived of a part by now. Returns up to which sequence that goes. */
async function* readMoved(archive: ArchivedLog, part: Part): AsyncGenerator<StreamMessage[], number> {
  if (part.from > part.to || part.signal.aborted) return 0;
  const moved = Math.min(await archive.movedTo(), part.to);
  yield* readArchived(archive, { ...part, to: moved });
  return moved;
}

/** Yields nothing for an empty part. */
async function* readArchived(archive: ArchivedLog, part: Part): AsyncGenerator<StreamMessage[]> {
  const { from, to, signal } = part;
  if (from > to) return;
  for await (const batch of archive.read({ from, to })) {
    if (signal.aborted) return;
    const timely = timelyIn(batch, part);
    const wanted = wantedOf(timely, part);
    if (wanted.length > 0) yield wanted;
    if (timely.length < batch.length) return;
  }
}

function timelyIn(batch: StreamMessage[], { untilUs }: LogRange): StreamMessage[] {
  const late = untilUs === undefined ? -1 : batch.findIndex(({ storedAtUs }) => storedAtUs > untilUs);
  return late < 0 ? batch : batch.slice(0, late);
}

const wantedOf = (batch: StreamMessage[], { filter }: LogRange): StreamMessage[] =>
  filter === undefined ? batch : batch.filter(({ subject }) => covers(filter, subject));
