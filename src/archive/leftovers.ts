import { OrderctlError } from "../core/errors.ts";
import type { FlowShape } from "../flow/flow.ts";
import { parseEntry, type Segment } from "./manifest.ts";
import type { SegmentStore } from "./segment-store.ts";
import type { SegmentedLog } from "./segmented-log.ts";
import { withFile } from "./stored-file.ts";
import { entryName } from "./write-segment.ts";

/**
 * A file that no entry of the manifest names: of an attempt that another one has overtaken, of a log before this one,
 * or of somebody else. `removable` where its range is archived elsewhere, and it is not of another log.
 */
export type Leftover = { store: string; name: string; removable: boolean };

/** The files of a flow in one store that no entry names, and those of pruned messages. */
export async function findLeftovers(
  { stream }: FlowShape,
  { manifest, storeAt }: Pick<SegmentedLog, "manifest"> & { storeAt(url: string): Promise<SegmentStore> },
  url: string,
): Promise<Leftover[]> {
  const store = await storeAt(url);
  const named = new Set(manifest.segments.filter(({ store: at }) => at === url).flatMap(namesOf));
  const folder = `${stream.toLowerCase()}/`;
  const names = (await store.list()).filter((name) => name.startsWith(folder) && !named.has(name)).sort();
  const log = manifest.segments.at(-1)?.log;
  const leftovers: Leftover[] = [];
  for (const name of names) {
    const to = endOf(name);
    const isBehind = to === undefined || to > manifest.movedTo;
    const isOwn = isBehind ? false : await isOfLog(store, stream, { name, names, log });
    leftovers.push({ store: url, name, removable: !isBehind && isOwn });
  }
  return leftovers;
}

const namesOf = (segment: Segment): string[] => {
  const { data, keys, audit } = segment.files;
  const kept = [keys.name, audit.name, entryName(segment)];
  return segment.prunedAtMs === undefined ? [data.name, ...kept] : kept;
};

/** The last sequence of a segment whose file has such a name; undefined for a foreign name. */
function endOf(name: string): number | undefined {
  const match = /-\d{12,16}-(\d{12,16})-[0-9a-f]{8}\.(parquet|keys|audit|json)$/.exec(name);
  return match ? Number(match[1]) : undefined;
}

/**
 * Whether the entry beside a file names this log, or there is no entry: the attempt ended before it. The files of
 * another log are the only way to restore that one.
 */
async function isOfLog(
  store: SegmentStore,
  stream: string,
  { name, names, log }: { name: string; names: readonly string[]; log: string | undefined },
): Promise<boolean> {
  const entry = name.replace(/\.[a-z]+$/, ".json");
  if (!names.includes(entry)) return true;
  try {
    return (await readEntry(store, stream, entry)).log === log;
  } catch (thrown) {
    if (OrderctlError.from(thrown).code === "conflict") return false;
    throw thrown;
  }
}

/** Rejects with `conflict` where the file is no entry. */
export async function readEntry(store: SegmentStore, stream: string, name: string) {
  const text = await withFile(store, name, async (file) =>
    Buffer.from(await file.read(0, file.bytes)).toString(),
  );
  return { ...parseEntry(stream, name, text), text };
}
