import { createHash } from "node:crypto";
import { OrderctlError } from "../core/errors.ts";
import { readEntry } from "./leftovers.ts";
import type { Segment } from "./manifest.ts";
import type { SegmentStore } from "./segment-store.ts";

/**
 * The entries of a log, and how many entries of other logs of that name lie in the store. `isCut`: entries of this log
 * do not follow from the last of the chain, as one between them is missing.
 */
export type StoredEntries = { segments: Segment[]; others: number; isCut: boolean };

/**
 * The segments of a flow as the entries in a store tell them, where no manifest does: a chain, each with the hash of
 * the one before. Of several logs of that name it is the one whose last message was stored last. Segments whose
 * messages are not in the store count as pruned. Rejects with `not_found` where there is no first entry.
 */
export async function readStoredEntries(store: SegmentStore, stream: string): Promise<StoredEntries> {
  const names = await store.list();
  const present = new Set(names);
  const folder = `${stream.toLowerCase()}/`;
  const entries: Segment[] = [];
  for (const name of names) {
    if (!name.startsWith(folder) || !name.endsWith(".json")) continue;
    entries.push(await segmentOf(store, { stream, name, present }));
  }
  const segments = longestChain(entries);
  const last = segments.at(-1);
  if (!last) throw noEntry(stream, store.url);
  const own = entries.filter(({ log }) => log === last.log);
  return { segments, others: entries.length - own.length, isCut: own.some(({ from }) => from > last.to) };
}

const noEntry = (stream: string, url: string): OrderctlError =>
  new OrderctlError("not_found", `there is no first entry of an archive of ${stream} in ${url}`, {
    hint: "--from-store names the folder, or nats://<bucket>, to which it was archived",
  });

/** Files may have been moved: they are where the entry is, wherever that says that they are. */
async function segmentOf(
  store: SegmentStore,
  { stream, name, present }: { stream: string; name: string; present: ReadonlySet<string> },
): Promise<Segment> {
  const { text, ...entry } = await readEntry(store, stream, name);
  return {
    ...entry,
    store: store.url,
    sha256: createHash("sha256").update(text).digest("hex"),
    prunedAtMs: present.has(entry.files.data.name) ? undefined : 0,
  };
}

/**
 * Of two entries that follow from the same one, as two archivers leave them, only that which others follow from counts;
 * at the end of the chain either does, and the longer one is taken.
 */
function longestChain(entries: readonly Segment[]): Segment[] {
  const followed = new Set(entries.map(({ previous }) => previous));
  const before = new Map(entries.map((entry) => [entry.sha256, entry]));
  const chains = entries
    .filter(({ sha256 }) => !followed.has(sha256))
    .map((last) => chainTo(last, before))
    .filter((chain) => chain.length > 0);
  const lastOf = (chain: Segment[]) => chain.at(-1);
  const [best = []] = chains.sort(
    (a, b) =>
      (lastOf(b)?.storedToUs ?? 0) - (lastOf(a)?.storedToUs ?? 0) ||
      (lastOf(b)?.to ?? 0) - (lastOf(a)?.to ?? 0),
  );
  return best;
}

/** From the first entry of the log to `last`; empty where one between them is missing. */
function chainTo(last: Segment, before: ReadonlyMap<string, Segment>): Segment[] {
  const chain = [last];
  for (let first = last; first.previous !== null; ) {
    const found = before.get(first.previous);
    if (!found || found.to + 1 !== first.from) return [];
    chain.push(found);
    first = found;
  }
  return chain.reverse();
}
