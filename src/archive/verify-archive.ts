import { OrderctlError } from "../core/errors.ts";
import type { FlowShape } from "../flow/flow.ts";
import { storesOf, sumOf } from "./inspect.ts";
import { findLeftovers, type Leftover } from "./leftovers.ts";
import type { Segment } from "./manifest.ts";
import type { SegmentedLog } from "./segmented-log.ts";
import { findFaults } from "./verify.ts";

/** `from` and `to` are `null` for a fault of the manifest itself. */
export type ArchiveFault = { from: number | null; to: number | null; text: string };

export type ArchiveVerdict = {
  verdict: "PASS" | "FAIL";
  stream: string;
  /** What was compared; `bytes` are those of the messages. */
  segments: number;
  pruned: number;
  events: number;
  bytes: number;
  movedTo: number;
  faults: ArchiveFault[];
  /** Files that no entry names and that were not removed: no fault. */
  leftovers: Leftover[];
  removed: string[];
};

type Options = {
  removeLeftovers: boolean;
  signal: AbortSignal;
  onSegment: (segment: Segment) => void;
};

/**
 * Compares the whole archive with its manifest and looks for files that are left over. Removes none of them while there
 * is a fault: one may be the whole copy of what is damaged.
 */
export async function verifyArchive(
  flow: FlowShape,
  archive: SegmentedLog,
  { removeLeftovers, signal, onSegment }: Options,
): Promise<ArchiveVerdict> {
  const faults: ArchiveFault[] = [];
  for await (const { segment, text } of findFaults(archive, signal, onSegment))
    faults.push({ from: segment.from, to: segment.to, text });
  signal.throwIfAborted();
  const { segments, movedTo } = archive.manifest;
  const stores = storesOf(segments);
  const place = { manifest: archive.manifest, storeAt: (url: string) => archive.storeAt(url) };
  const found: Leftover[] = [];
  for (const url of stores) found.push(...(await leftoversAt(flow, place, { url, faults })));
  const doomed = removeLeftovers && faults.length === 0 ? found.filter(({ removable }) => removable) : [];
  for (const { store, name } of doomed) await (await archive.storeAt(store)).remove(name);
  const kept = segments.filter(({ prunedAtMs }) => prunedAtMs === undefined);
  return {
    verdict: faults.length === 0 ? "PASS" : "FAIL",
    stream: flow.stream,
    segments: segments.length,
    pruned: segments.length - kept.length,
    events: sumOf(kept.map(({ events }) => events)),
    bytes: sumOf(kept.map(({ files }) => files.data.bytes)),
    movedTo,
    faults,
    leftovers: found.filter((leftover) => !doomed.includes(leftover)),
    removed: doomed.map(({ name }) => name),
  };
}

/** A store that cannot be listed cannot be read either, which is a fault of its segments by then. */
async function leftoversAt(
  flow: FlowShape,
  place: Parameters<typeof findLeftovers>[1],
  { url, faults }: { url: string; faults: readonly ArchiveFault[] },
): Promise<Leftover[]> {
  try {
    return await findLeftovers(flow, place, url);
  } catch (thrown) {
    if (faults.length > 0 && OrderctlError.from(thrown).source === "store") return [];
    throw thrown;
  }
}

/** The verdict on a manifest that cannot be followed to its end. */
export const brokenManifest = (stream: string, { manifest }: SegmentedLog, text: string): ArchiveVerdict => ({
  verdict: "FAIL",
  ...{ stream, segments: manifest.segments.length, pruned: 0, events: 0, bytes: 0 },
  movedTo: manifest.movedTo,
  faults: [{ from: null, to: null, text }],
  ...{ leftovers: [], removed: [] },
});
