import { setImmediate as nextTurn } from "node:timers/promises";
import {
  type AsyncBuffer,
  type FileMetaData,
  type ParquetParsers,
  parquetMetadataAsync,
  parquetReadObjects,
  rowIndex,
} from "hyparquet";
import { ByteWriter, type ColumnSource, ParquetWriter } from "hyparquet-writer";
import { OrderctlError } from "../core/errors.ts";
import type { Flow } from "../flow/flow.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import { type Column, columnsOf, messageColumns, readRow } from "./segment-columns.ts";
import type { SegmentFile } from "./segment-store.ts";

/**
 * A row group ends after so many rows or bytes of payload: what a look-up reads, and what is encoded between two turns
 * of the event loop.
 */
const groupRows = 1000;
const groupBytes = 1024 * 1024;

/**
 * The messages as a Parquet file that other programs read as it is: a row each, sorted by key and sequence, those whose
 * subject names no key last. A message that cannot be decoded has null in the columns for what events say. The same
 * messages make the same file. ~15 µs a message, and other work gets its turn every 10 ms.
 */
export async function buildSegment(flow: Flow, messages: readonly StreamMessage[]): Promise<Uint8Array> {
  const columns = columnsOf(flow);
  const root = { name: flow.stream, num_children: columns.length };
  const writer = new ByteWriter(groupBytes);
  const file = new ParquetWriter({
    writer,
    schema: [root, ...columns.flatMap(({ schema }) => schema)],
    // Spark complains about a writer that does not give its version in this form.
    createdBy: "orderctl version 1",
  });
  for (const group of groupsOf(await sortByKey(flow, messages))) {
    const columnData = readColumns(flow, columns, group);
    await nextTurn();
    await file.write({ columnData, rowGroupSize: groupRows });
    await nextTurn();
  }
  await file.finish();
  return writer.getBytes();
}

async function sortByKey(flow: Flow, messages: readonly StreamMessage[]): Promise<StreamMessage[]> {
  const byKey = new Map<string, StreamMessage[]>();
  const keyless: StreamMessage[] = [];
  for (const [index, message] of messages.entries()) {
    const key = flow.parseSubject(message.subject)?.key;
    const before = key === undefined ? keyless : byKey.get(key);
    if (before) before.push(message);
    else if (key !== undefined) byKey.set(key, [message]);
    if (index % groupRows === 0) await nextTurn();
  }
  const keys = [...byKey.keys()].sort();
  await nextTurn();
  return [...keys.map((key) => byKey.get(key) ?? []), keyless].flatMap((own) => own.sort(bySequence));
}

const bySequence = (a: StreamMessage, b: StreamMessage): number => a.sequence - b.sequence;

function* groupsOf(messages: readonly StreamMessage[]): Generator<StreamMessage[]> {
  let group: StreamMessage[] = [];
  let bytes = 0;
  for (const message of messages) {
    group.push(message);
    bytes += message.payload.length;
    if (group.length < groupRows && bytes < groupBytes) continue;
    yield group;
    group = [];
    bytes = 0;
  }
  if (group.length > 0) yield group;
}

/** Hot path: an event's objects do not outlive its turn, and nothing is made for each of its columns. */
function readColumns(
  flow: Flow,
  columns: readonly Column[],
  group: readonly StreamMessage[],
): ColumnSource[] {
  const values: unknown[][] = columns.map(() => []);
  for (const message of group) {
    const row = readRow(flow, message);
    for (let index = 0; index < columns.length; index++) values[index]?.push(columns[index]?.valueIn(row));
  }
  return columns.map(({ name, storage }, index) => ({ name, data: values[index] ?? [], ...storage }));
}

/** More than the footer of a segment of 100,000 messages, which is read at once. */
const footerBytes = 256 * 1024;

/**
 * Reads messages back from a segment, as they were stored, but for broker headers, which are renamed to
 * `Original-Nats-…`, and repeated ones, which are joined. Every method rejects with `unavailable`, naming the file, when
 * the file is damaged or cannot be read.
 */
export class SegmentReader {
  readonly #file: SegmentFile;
  readonly #buffer: AsyncBuffer;
  readonly #metadata: FileMetaData;

  private constructor(file: SegmentFile, buffer: AsyncBuffer, metadata: FileMetaData) {
    this.#file = file;
    this.#buffer = buffer;
    this.#metadata = metadata;
  }

  /** Reads the footer. The file stays the caller's to close. */
  static open(file: SegmentFile): Promise<SegmentReader> {
    return guarded(file, async () => {
      const buffer = bufferOf(file);
      const options = { parsers, initialFetchSize: footerBytes, geoparquet: false };
      return new SegmentReader(file, buffer, await parquetMetadataAsync(buffer, options));
    });
  }

  /** A key's messages in stream order. Reads only the row groups that can hold the key, nearly always one. */
  readKey(key: string): Promise<StreamMessage[]> {
    // The first element of a schema is its root, the second the column of the key.
    const column = this.#metadata.schema[1]?.name ?? "";
    return this.#read({ filter: { [column]: { $eq: key } } });
  }

  /** Reads the sequences of all messages first. */
  async readBySequence(sequence: number): Promise<StreamMessage | undefined> {
    const row = await guarded(this.#file, async () => {
      const wanted = { columns: ["sequence"], filter: { sequence: { $eq: BigInt(sequence) } } };
      const [found] = await parquetReadObjects({ ...this.#source, ...wanted, includeRowIndex: true });
      return found?.[rowIndex];
    });
    if (row === undefined) return undefined;
    return (await this.#read({ rowStart: row, rowEnd: row + 1, useOffsetIndex: true }))[0];
  }

  /** All messages in stream order. Other work gets its turn after each row group. */
  async readAll(): Promise<StreamMessage[]> {
    const messages: StreamMessage[] = [];
    let rowStart = 0;
    for (const { num_rows: rows } of this.#metadata.row_groups) {
      const rowEnd = rowStart + Number(rows);
      messages.push(...(await this.#read({ rowStart, rowEnd })));
      rowStart = rowEnd;
      await nextTurn();
    }
    return messages.sort(bySequence);
  }

  get #source() {
    return { file: this.#buffer, metadata: this.#metadata, parsers, utf8: false };
  }

  #read(selection: Omit<Parameters<typeof parquetReadObjects>[0], "file">): Promise<StreamMessage[]> {
    return guarded(this.#file, async () => {
      const rows = await parquetReadObjects({ ...this.#source, columns: messageColumns, ...selection });
      return rows.map(messageOf);
    });
  }
}

/** A `Date` would cut µs to ms. The library adds the other parsers itself. */
const parsers = { timestampFromMicroseconds: Number } as Partial<ParquetParsers> as ParquetParsers;

function messageOf({
  subject,
  sequence,
  stored_at,
  headers: text,
  payload,
}: Record<string, unknown>): StreamMessage {
  if (typeof subject !== "string" || typeof text !== "string" || !(payload instanceof Uint8Array))
    throw new Error("a row is no message");
  const headers: Record<string, string> = JSON.parse(text);
  return {
    subject,
    sequence: Number(sequence),
    storedAtUs: Number(stored_at),
    payload,
    header: (name) => (Object.hasOwn(headers, name) ? headers[name] : undefined),
    headers: () => ({ ...headers }),
  };
}

const bufferOf = (file: SegmentFile): AsyncBuffer => ({
  byteLength: file.bytes,
  async slice(start, end = file.bytes) {
    const isInside = start >= 0 && start <= end && end <= file.bytes;
    if (!isInside) throw new Error(`it has no bytes ${start} to ${end}`);
    const { buffer, byteOffset, byteLength } = await file.read(start, end);
    return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
  },
});

async function guarded<T>({ name }: SegmentFile, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof OrderctlError) throw thrown;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new OrderctlError("unavailable", `${name} is damaged: ${why}`, { cause: thrown, source: "store" });
  }
}
