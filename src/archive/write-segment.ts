import { createHash, randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { OrderctlError } from "../core/errors.ts";
import { addToAudit } from "../flow/audit-contract.ts";
import { findRepeats } from "../flow/find-repeats.ts";
import type { FlowLog } from "../flow/flow.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import { buildKeyHashes } from "./key-hashes.ts";
import { entryText, type Segment, type SegmentEntry, type StoredFile } from "./manifest.ts";
import { buildSegment } from "./segment.ts";
import type { SegmentStore } from "./segment-store.ts";
import { readSegmentMessages, type SegmentedLog } from "./segmented-log.ts";
import { readWhole } from "./stored-file.ts";

type Part = { from: number; to: number; messages: readonly StreamMessage[] };

type Content = { data: Uint8Array; keys: Uint8Array; audit: Uint8Array; keyCount: number };

/**
 * Writes the files of the next segment of the stream with identity `log`, and reads them back; the entry that it returns is to be entered into the
 * manifest. Its files have names that no other attempt has. Rejects with `unavailable` when the store cannot take or
 * give back what it was given.
 */
export async function writeSegment(
  log: FlowLog,
  archive: SegmentedLog,
  { store, log: identity, ...part }: Part & { log: string; store: SegmentStore },
): Promise<SegmentEntry> {
  const { flow } = log;
  const before = archive.manifest.segments.at(-1);
  const content = await contentOf(log, archive, { before, ...part });
  const base = baseName(flow.stream, part);
  const files = {
    data: await writeFile(store, `${base}.parquet`, content.data),
    keys: await writeFile(store, `${base}.keys`, content.keys),
    audit: await writeFile(store, `${base}.audit`, content.audit),
  };
  await mustReadBack(store, files.data, part.messages);
  const { from, to, messages } = part;
  const entry: SegmentEntry = {
    version: 1,
    store: store.url,
    log: identity,
    from,
    to,
    events: messages.length,
    keys: content.keyCount,
    storedFromUs: messages[0]?.storedAtUs ?? 0,
    storedToUs: messages.at(-1)?.storedAtUs ?? 0,
    files,
    previous: before?.sha256 ?? null,
  };
  // Beside the segment too, so that the log can be rebuilt where the broker with the manifest is lost.
  await writeFile(store, entryName(entry), Buffer.from(entryText(entry)));
  return entry;
}

/** The file that holds the text of a segment's entry. */
export const entryName = ({ files }: Pick<SegmentEntry, "files">): string =>
  files.data.name.replace(/\.parquet$/, ".json");

/** Removes the files of a segment that another archiver has entered first. */
export async function removeFiles(store: SegmentStore, entry: SegmentEntry): Promise<void> {
  const { data, keys, audit } = entry.files;
  for (const name of [data.name, keys.name, audit.name, entryName(entry)]) await store.remove(name);
}

/** What is wrong with the files of a segment; undefined when all are what the manifest names. */
export async function findDamage(archive: SegmentedLog, segment: Segment): Promise<string | undefined> {
  const { data, keys, audit } = segment.files;
  for (const file of [...(segment.prunedAtMs === undefined ? [data] : []), keys, audit]) {
    try {
      await archive.readFile(segment, file);
    } catch (thrown) {
      const error = OrderctlError.from(thrown);
      if (error.source !== "store") throw thrown;
      return error.message;
    }
  }
  return undefined;
}

/** Writes the files of a segment once more from the messages of the log, of which the manifest has the hashes. */
export async function repairSegment(
  log: FlowLog,
  archive: SegmentedLog,
  { segment, messages }: { segment: Segment; messages: readonly StreamMessage[] },
): Promise<void> {
  const { segments } = archive.manifest;
  const before = segments[segments.indexOf(segment) - 1];
  const { from, to, files } = segment;
  const content = await contentOf(log, archive, { before, from, to, messages });
  const store = await archive.storeAt(segment.store);
  for (const kind of ["data", "keys", "audit"] as const) {
    const { name, sha256 } = files[kind];
    if (hashOf(content[kind]) !== sha256) {
      throw new OrderctlError("conflict", `the log's messages ${from} to ${to} no longer make ${name}`, {
        source: "store",
      });
    }
    await store.write(name, content[kind]);
  }
}

async function contentOf(
  log: FlowLog,
  archive: SegmentedLog,
  { before, messages }: Part & { before: Segment | undefined },
): Promise<Content> {
  const { flow } = log;
  const state = before && (await archive.readFile(before, before.files.audit));
  const auditor = flow.audit.open(state);
  const keys = new Set<string>();
  for (const message of messages) {
    addToAudit(flow, auditor, message);
    const place = flow.parseSubject(message.subject);
    if (place) keys.add(place.key);
  }
  auditor.addRepeats(await findRepeats({ ...log, archive }, auditor, before?.to ?? 0));
  return {
    data: await buildSegment(flow, messages),
    keys: buildKeyHashes(keys),
    audit: auditor.state(),
    keyCount: keys.size,
  };
}

async function writeFile(store: SegmentStore, name: string, content: Uint8Array): Promise<StoredFile> {
  await store.write(name, content);
  const stored = { name, bytes: content.length, sha256: hashOf(content) };
  await readWhole(store, stored);
  return stored;
}

/** What a reader finds in the file has to be what the log holds. */
async function mustReadBack(
  store: SegmentStore,
  data: StoredFile,
  messages: readonly StreamMessage[],
): Promise<void> {
  const read = await readSegmentMessages(store, data);
  const differs = messages.findIndex((message, index) => !isSame(message, read[index]));
  if (differs < 0 && read.length === messages.length) return;
  const at = messages[differs]?.sequence ?? read[messages.length]?.sequence;
  throw new OrderctlError("internal", `${data.name} gives back message ${at} other than it was given`, {
    source: "store",
  });
}

const isSame = (one: StreamMessage, other: StreamMessage | undefined): boolean =>
  one.sequence === other?.sequence &&
  one.subject === other.subject &&
  one.storedAtUs === other.storedAtUs &&
  Buffer.compare(one.payload, other.payload) === 0 &&
  isDeepStrictEqual(one.headers(), other.headers());

const hashOf = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");

/** Grouped by the day (UTC) of its first message, in the form in which query engines find partitions. */
function baseName(stream: string, { from, to, messages }: Part): string {
  const flow = stream.toLowerCase();
  const date = new Date((messages[0]?.storedAtUs ?? 0) / 1000).toISOString().slice(0, 10);
  const range = [from, to].map((sequence) => String(sequence).padStart(12, "0")).join("-");
  return `${flow}/date=${date}/${flow}-${range}-${randomBytes(4).toString("hex")}`;
}
