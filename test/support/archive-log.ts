import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { onTestFinished } from "vitest";
import { buildKeyHashes } from "../../src/archive/key-hashes.ts";
import { Manifest, type Segment, type SegmentEntry } from "../../src/archive/manifest.ts";
import { openStore } from "../../src/archive/open-store.ts";
import { buildSegment } from "../../src/archive/segment.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { readStreamIdentity } from "../../src/jetstream/streams/apply-topology.ts";
import { readLastSequence } from "../../src/jetstream/streams/read-message.ts";
import { readStream } from "../../src/jetstream/streams/read-stream.ts";
import type { StreamMessage } from "../../src/jetstream/streams/stream-message.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import { ordersStream, parseSubject } from "../../src/orders/subjects.ts";

/** A folder of the test for segments. */
export type ArchiveFolder = { path: string; url: string };

export async function archiveFolder(): Promise<ArchiveFolder> {
  const path = await mkdtemp(join(tmpdir(), "orderctl-archive-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return { path, url: pathToFileURL(path).href };
}

type Archiving = {
  /** Up to this message; by default up to the last one. */
  to?: number;
  /** Keys that it says to hold besides those of its messages. */
  moreKeys?: readonly string[];
};

/** Moves what is not archived yet into one more segment, as the archiver does; `purgeArchived` removes it. */
export async function archiveLog(
  connection: Connection,
  { url }: ArchiveFolder,
  { to, moreKeys = [] }: Archiving = {},
): Promise<Segment> {
  const manifest = new Manifest(connection, ordersStream);
  await manifest.refresh();
  const before = manifest.segments.at(-1);
  const from = manifest.movedTo + 1;
  const last = to ?? (await readLastSequence(connection, ordersStream));
  const messages = await readMessages(connection, from, last);
  const keys = messages.flatMap(({ subject }) => parseSubject(subject)?.orderId ?? []);
  const store = await openStore(url, { connection, cacheDir: tmpdir(), replicas: 1 });
  const base = `orders/orders-${from}-${last}`;
  const write = async (name: string, content: Uint8Array) => {
    await store.write(name, content);
    return { name, bytes: content.length, sha256: createHash("sha256").update(content).digest("hex") };
  };
  const entry: SegmentEntry = {
    version: 1,
    store: url,
    log: await readStreamIdentity(connection, ordersStream),
    from,
    to: last,
    events: messages.length,
    keys: new Set([...keys, ...moreKeys]).size,
    storedFromUs: messages[0]?.storedAtUs ?? 0,
    storedToUs: messages.at(-1)?.storedAtUs ?? 0,
    files: {
      data: await write(`${base}.parquet`, await buildSegment(orderFlow, messages)),
      keys: await write(`${base}.keys`, buildKeyHashes([...keys, ...moreKeys])),
      audit: await write(`${base}.audit`, Buffer.from("{}")),
    },
    previous: before?.sha256 ?? null,
  };
  if (!(await manifest.append(entry))) throw new Error("another archiver was first");
  await manifest.refresh();
  const segment = manifest.segments.at(-1);
  if (segment?.from !== from) throw new Error("the manifest has no such segment");
  return segment;
}

export const purgeArchived = async ({ jsm }: Connection, { to }: SegmentEntry): Promise<void> => {
  await jsm.streams.purge(ordersStream, { seq: to + 1 });
};

async function readMessages(connection: Connection, from: number, to: number): Promise<StreamMessage[]> {
  const messages: StreamMessage[] = [];
  const range = { stream: ordersStream, start: { sequence: from }, toSequence: to };
  for await (const batch of readStream(connection, range)) messages.push(...batch);
  return messages;
}
