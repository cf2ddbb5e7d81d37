import { isoTime } from "../core/units.ts";
import type { SegmentSummary } from "./inspect.ts";
import { storesOf, summaryOf, sumOf } from "./inspect.ts";
import type { Segment } from "./manifest.ts";
import type { SegmentedLog } from "./segmented-log.ts";

export type PruneReport = {
  dryRun: boolean;
  stream: string;
  /** Messages stored before this go, with the rest of their segments' messages where all of those are as old. */
  storedBefore: string;
  segments: SegmentSummary[];
  events: number;
  bytes: number;
  /** The orders with events in them; of those that began or ended in other segments, a part remains. */
  keys: number;
  /** The last message that goes; `null` where none does. */
  to: { sequence: number; storedAt: string } | null;
};

/** `again`: they are marked as pruned, but their messages are still in the store. */
export type PrunePlan = { report: Omit<PruneReport, "dryRun">; segments: Segment[]; again: Segment[] };

/**
 * The segments of which every message was stored before a time, from the beginning of the archive on. Rejects with
 * `unavailable` when a store cannot be read.
 */
export async function planPrune(
  stream: string,
  archive: SegmentedLog,
  storedBeforeUs: number,
): Promise<PrunePlan> {
  const { segments: all } = archive.manifest;
  const end = all.findIndex(({ storedToUs }) => storedToUs >= storedBeforeUs);
  const old = end < 0 ? [...all] : all.slice(0, end);
  const segments = old.filter(({ prunedAtMs }) => prunedAtMs === undefined);
  const last = segments.at(-1);
  const report = {
    stream,
    storedBefore: isoTime(storedBeforeUs),
    segments: segments.map(summaryOf),
    events: sumOf(segments.map(({ events }) => events)),
    bytes: sumOf(segments.map(({ files }) => files.data.bytes)),
    keys: await countKeys(archive, segments),
    to: last ? { sequence: last.to, storedAt: isoTime(last.storedToUs) } : null,
  };
  return { report, segments, again: await findRemains(archive, old) };
}

/** Removes the messages of the segments; what remains of them tells which orders there were. */
export async function pruneSegments(
  archive: SegmentedLog,
  { segments, again }: PrunePlan,
  signal: AbortSignal,
): Promise<void> {
  for (const segment of [...again, ...segments]) {
    signal.throwIfAborted();
    // Before the file goes: whoever misses it knows why, and an archiver that looks does not write it again.
    if (segment.prunedAtMs === undefined) await archive.manifest.markPruned(segment);
    await (await archive.storeAt(segment.store)).remove(segment.files.data.name);
  }
}

/** Of pruned segments those whose removal was interrupted. */
async function findRemains(archive: SegmentedLog, old: readonly Segment[]): Promise<Segment[]> {
  const pruned = old.filter(({ prunedAtMs }) => prunedAtMs !== undefined);
  const present = new Set<string>();
  for (const url of storesOf(pruned))
    for (const name of await (await archive.storeAt(url)).list()) present.add(name);
  return pruned.filter(({ files }) => present.has(files.data.name));
}

/** By the hashes of the keys: an order in several segments counts once. 8 bytes of memory a key and segment. */
async function countKeys(archive: SegmentedLog, segments: readonly Segment[]): Promise<number> {
  const parts: Uint8Array[] = [];
  for (const segment of segments) parts.push(await archive.readFile(segment, segment.files.keys));
  const bytes = Buffer.concat(parts);
  const hashes = new BigUint64Array(bytes.length / 8);
  for (let index = 0; index < hashes.length; index += 1) hashes[index] = bytes.readBigUInt64LE(8 * index);
  hashes.sort();
  return hashes.reduce((count, hash, index) => count + (index > 0 && hash === hashes[index - 1] ? 0 : 1), 0);
}
