import { OrderctlError } from "../core/errors.ts";
import { entryText, type Segment, type StoredFile } from "./manifest.ts";
import { readSegmentMessages, type SegmentedLog } from "./segmented-log.ts";
import { withFile } from "./stored-file.ts";
import { entryName } from "./write-segment.ts";

/** What is wrong with a segment. `text` names its file. */
export type Fault = { segment: Segment; text: string };

/**
 * Compares every file of the archive with the manifest, and reads every segment's messages. The manifest's own chain is
 * checked whenever it is read. `onSegment` is told of each segment before it is looked at. Rejects only where the
 * manifest cannot be read.
 */
export async function* findFaults(
  archive: SegmentedLog,
  signal: AbortSignal,
  onSegment: (segment: Segment) => void = () => {},
): AsyncGenerator<Fault> {
  await archive.manifest.refresh();
  for (const segment of archive.manifest.segments) {
    if (signal.aborted) return;
    onSegment(segment);
    for (const text of await faultsOf(archive, segment)) yield { segment, text };
  }
}

async function faultsOf(archive: SegmentedLog, segment: Segment): Promise<string[]> {
  const { data, keys, audit } = segment.files;
  const isPruned = segment.prunedAtMs !== undefined;
  const checks = [
    ...[keys, audit].map((file) => () => archive.readFile(segment, file)),
    () => checkEntry(archive, segment),
    ...(isPruned ? [] : [() => checkMessages(archive, segment, data)]),
  ];
  const faults: string[] = [];
  for (const check of checks) {
    await check().catch((thrown) => faults.push(OrderctlError.from(thrown).message));
  }
  return faults;
}

async function checkMessages(archive: SegmentedLog, segment: Segment, file: StoredFile): Promise<void> {
  await archive.readFile(segment, file);
  const store = await archive.storeAt(segment.store);
  const messages = await readSegmentMessages(store, file);
  const { from, to, events } = segment;
  const [first, last] = [messages[0]?.sequence ?? from, messages.at(-1)?.sequence ?? to];
  if (messages.length === events && first >= from && last <= to) return;
  throw new OrderctlError(
    "unavailable",
    `${file.name} in ${segment.store} has ${messages.length} messages, ${first} to ${last}, where the manifest says ${events} of ${from} to ${to}`,
    { source: "store" },
  );
}

/** The text beside the segment, from which a lost broker is rebuilt. */
async function checkEntry(archive: SegmentedLog, segment: Segment): Promise<void> {
  const { sha256: _, prunedAtMs: __, ...entry } = segment;
  const name = entryName(segment);
  const store = await archive.storeAt(segment.store);
  const text = await withFile(store, name, async (file) =>
    Buffer.from(await file.read(0, file.bytes)).toString(),
  );
  if (text === entryText(entry)) return;
  throw new OrderctlError("unavailable", `${name} in ${segment.store} is not the manifest's entry`, {
    source: "store",
  });
}
