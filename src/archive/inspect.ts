import { OrderctlError } from "../core/errors.ts";
import { isoTime } from "../core/units.ts";
import type { FlowLog } from "../flow/flow.ts";
import { readStreamSize, type StreamSize } from "../jetstream/streams/read-message.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import type { Segment, StoredFile } from "./manifest.ts";
import { readSegmentMessages, type SegmentedLog } from "./segmented-log.ts";
import { entryName } from "./write-segment.ts";

/** A segment as the manifest tells it. Times are the broker's; `bytes` are those of its messages in the store. */
export type SegmentSummary = {
  from: number;
  to: number;
  events: number;
  keys: number;
  storedFrom: string;
  storedTo: string;
  bytes: number;
  /** `null` while its messages are in the store. */
  prunedAt: string | null;
};

export type ArchiveList = {
  stream: string;
  /** The last archived sequence, and when that message was stored. */
  movedTo: number;
  movedToAt: string;
  /** Of all segments; bytes only of messages that were not pruned. */
  total: number;
  events: number;
  bytes: number;
  /** The URLs of the stores. */
  stores: string[];
  /** What the stream still holds. */
  held: StreamSize;
  /** The last ones, or all that were asked for. */
  segments: SegmentSummary[];
};

/** What is archived, and what the stream still holds; `limit`: of so many segments at most, the last ones. */
export async function readArchiveList(
  { connection, flow }: FlowLog,
  { manifest }: SegmentedLog,
  limit: number,
): Promise<ArchiveList> {
  const { segments } = manifest;
  const empty = { messages: 0, bytes: 0, firstSequence: 0, lastSequence: 0 };
  const summaries = segments.map(summaryOf);
  const kept = summaries.filter(({ prunedAt }) => prunedAt === null);
  return {
    stream: flow.stream,
    movedTo: manifest.movedTo,
    movedToAt: isoTime(segments.at(-1)?.storedToUs ?? 0),
    total: segments.length,
    events: sumOf(summaries.map(({ events }) => events)),
    bytes: sumOf(kept.map(({ bytes }) => bytes)),
    stores: storesOf(segments),
    held: (await readStreamSize(connection, flow.stream)) ?? empty,
    segments: summaries.slice(-limit),
  };
}

export const storesOf = (segments: readonly Segment[]): string[] => [
  ...new Set(segments.map(({ store }) => store)),
];

export const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, each) => sum + each, 0);

export const summaryOf = (segment: Segment): SegmentSummary => {
  const { from, to, events, keys, storedFromUs, storedToUs, files, prunedAtMs } = segment;
  return {
    ...{ from, to, events, keys, bytes: files.data.bytes },
    storedFrom: isoTime(storedFromUs),
    storedTo: isoTime(storedToUs),
    prunedAt: prunedAtMs === undefined ? null : new Date(prunedAtMs).toISOString(),
  };
};

/** `whole`: what the manifest names; `pruned`: removed by age, and its absence is no fault. */
export type FileState = "whole" | "damaged" | "missing" | "pruned";

/** `bytes` and `sha256` are `null` for the file of the entry, of which the manifest names neither. */
export type FileDetail = { name: string; bytes: number | null; sha256: string | null; state: FileState };

export type SegmentDetail = {
  stream: string;
  store: string;
  segment: SegmentSummary;
  /** SHA-256 of its entry and of the one before. */
  sha256: string;
  previous: string | null;
  files: FileDetail[];
  /** How many messages of each kind it holds, `other` for those that are no event; `null` when it cannot be read. */
  kinds: Record<string, number> | null;
  /** The message that was asked for; `null` when the segment cannot be read, or the log had lost it before. */
  message: { sequence: number; subject: string; storedAt: string } | null;
};

/** The segment that holds a sequence. Rejects with `not_found` where none does, and reads all of its files. */
export async function readSegmentDetail(
  { flow }: FlowLog,
  archive: SegmentedLog,
  sequence: number,
): Promise<SegmentDetail> {
  const segment = findSegment(archive, sequence);
  const store = await archive.storeAt(segment.store);
  const present = new Set(await store.list());
  const { data, keys, audit } = segment.files;
  const files = [
    await fileDetail(archive, present, { segment, file: data }),
    await fileDetail(archive, present, { segment, file: keys }),
    await fileDetail(archive, present, { segment, file: audit }),
  ];
  const entry = entryName(segment);
  const messages = files[0]?.state === "whole" ? await readSegmentMessages(store, data) : null;
  const message = messages?.find((each) => each.sequence === sequence);
  return {
    ...{ stream: flow.stream, store: segment.store, segment: summaryOf(segment) },
    ...{ sha256: segment.sha256, previous: segment.previous },
    files: [
      ...files,
      { name: entry, bytes: null, sha256: null, state: present.has(entry) ? "whole" : "missing" },
    ],
    kinds: messages && countKinds(flow, messages),
    message: message ? { sequence, subject: message.subject, storedAt: isoTime(message.storedAtUs) } : null,
  };
}

function findSegment({ manifest }: SegmentedLog, sequence: number): Segment {
  const found = manifest.segments.find(({ from, to }) => from <= sequence && sequence <= to);
  if (found) return found;
  const first = manifest.segments[0]?.from ?? 1;
  throw new OrderctlError("not_found", `message ${sequence} is not archived`, {
    hint: `the archive holds ${first} to ${manifest.movedTo}; \`orderctl archive list\` tells the segments`,
  });
}

async function fileDetail(
  archive: SegmentedLog,
  present: ReadonlySet<string>,
  { segment, file }: { segment: Segment; file: StoredFile },
): Promise<FileDetail> {
  const isPruned = file === segment.files.data && segment.prunedAtMs !== undefined;
  if (isPruned) return { ...file, state: "pruned" };
  if (!present.has(file.name)) return { ...file, state: "missing" };
  const state = await archive.readFile(segment, file).then(
    () => "whole" as const,
    () => "damaged" as const,
  );
  return { ...file, state };
}

function countKinds(flow: FlowLog["flow"], messages: readonly StreamMessage[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { subject } of messages) {
    const kind = flow.parseSubject(subject)?.kind ?? "other";
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const inOrder = [...flow.kinds, "other"].filter((kind) => counts.has(kind));
  return Object.fromEntries(inOrder.map((kind) => [kind, counts.get(kind) ?? 0]));
}
