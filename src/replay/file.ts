import { createWriteStream, type WriteStream } from "node:fs";
import { type FileHandle, open, stat, truncate } from "node:fs/promises";
import { finished } from "node:stream/promises";
import { ChangeSignal } from "../core/change-signal.ts";
import { OrderctlError, systemCode } from "../core/errors.ts";
import { printableJson } from "../core/foreign-text.ts";
import type { Note } from "../core/note.ts";
import { isoTime } from "../core/units.ts";
import type { Flow } from "../flow/flow.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import { logSubject } from "./selection.ts";
import type { FileResult, ReplayTarget, Settle } from "./target.ts";

export type FileOptions = {
  flow: Flow;
  /** A path, or `-` for `stdout`. */
  file: string;
  /** Append to the file instead of replacing it. */
  append: boolean;
  stdout: NodeJS.WritableStream;
  /** Told which repair the end of the file needed before appending. */
  note: Note;
};

/**
 * Writes each message as one line of JSON, in the form of `replayDocument`. Throws `output` when the file cannot be
 * written; the file then keeps only the whole lines of settled messages, so that a replay of the rest can be appended.
 */
export async function openFileTarget(options: FileOptions): Promise<ReplayTarget> {
  const { file, append, note } = options;
  const end: FileEnd = append && file !== "-" ? await endOf(file, options.flow) : { bytes: 0 };
  if (end.repair !== undefined) note(end.repair);
  return new FileTarget(options, end);
}

class FileTarget implements ReplayTarget {
  readonly #flow: Flow;
  readonly #file: string;
  readonly #own: WriteStream | undefined;
  readonly #sink: NodeJS.WritableStream;
  readonly #settled = new ChangeSignal();
  readonly #result: FileResult;
  #unendedLine: string | undefined;
  /** The length of the file up to the last settled line. */
  #bytes: number;
  #underWay = 0;

  constructor({ flow, file, append, stdout }: FileOptions, { bytes, unendedLine }: FileEnd) {
    this.#flow = flow;
    this.#file = file;
    this.#own = file === "-" ? undefined : createWriteStream(file, { flags: append ? "a" : "w" });
    // Prevents an uncaught error: the callback of each write and `finished` report it as well.
    this.#own?.on("error", () => undefined);
    this.#sink = this.#own ?? stdout;
    this.#result = { target: "file", file, lines: 0, undecodable: 0 };
    this.#bytes = bytes;
    this.#unendedLine = unendedLine;
  }

  take(message: StreamMessage, settle: Settle): Promise<void> | undefined {
    const { document, isEvent } = replayDocument(this.#flow, message);
    const line = printableJson(JSON.stringify(document));
    // `prepareEnd` found this line whole but without a line break, so the replay resumes at its message.
    const isThere = line === this.#unendedLine;
    this.#unendedLine = undefined;
    if (isThere) settle();
    else if (!this.#write(line, isEvent, settle)) return this.drain();
    return undefined;
  }

  drain(): Promise<void> {
    return this.#settled.until(() => this.#underWay === 0);
  }

  async close(): Promise<void> {
    if (!this.#own) return;
    this.#own.end();
    try {
      await finished(this.#own);
    } catch (cause) {
      await cutTo(this.#file, this.#bytes);
      throw cannotWrite(this.#file, cause as Error);
    }
  }

  result(): FileResult {
    return this.#result;
  }

  /** Returns false when the stream's buffer is full. */
  #write(line: string, isEvent: boolean, settle: Settle): boolean {
    const text = Buffer.from(`${line}\n`);
    this.#underWay += 1;
    return this.#sink.write(text, (error) => {
      this.#underWay -= 1;
      if (!error) {
        this.#bytes += text.length;
        this.#result.lines += 1;
        if (!isEvent) this.#result.undecodable += 1;
      }
      settle(error ? cannotWrite(this.#file, error) : undefined);
      this.#settled.changed();
    });
  }
}

const endOf = (file: string, { keyField }: Flow): Promise<FileEnd> =>
  prepareEnd(file, ["subject", keyField]).catch((thrown) => {
    throw thrown instanceof OrderctlError ? thrown : cannotWrite(file, thrown);
  });

/**
 * Removes what a failed batch of writes left behind: the stream writes several lines at once, and some of them, or a
 * part of one, may be in the file although all failed.
 */
async function cutTo(file: string, bytes: number): Promise<void> {
  try {
    if ((await stat(file)).isFile()) await truncate(file, bytes);
  } catch {
    // The failed file could not be truncated either; a later `--append` cuts off the incomplete line.
  }
}

const cannotWrite = (file: string, cause: Error): OrderctlError =>
  new OrderctlError("output", `cannot write ${file}: ${cause.message}`, {
    hint: "name a place that has room with --out; where some of it is written, the command above goes on there",
    cause,
  });

type Document = Record<string, unknown>;

/**
 * A message as one JSON object. The first event of a key has just its fields, as `publish order --file` reads them; any
 * other event also has its kind and place. A message that does not decode has its payload in base64 and the `reason`.
 */
export function replayDocument(flow: Flow, message: StreamMessage): { document: Document; isEvent: boolean } {
  const { subject, sequence, storedAtUs, payload } = message;
  const place = { subject, sequence, stored_at: isoTime(storedAtUs) };
  try {
    const event = flow.decode(logSubject(flow, subject), payload, message);
    const fields = flow.document(event);
    const document = event.kind === flow.firstKind ? fields : { ...place, kind: event.kind, ...fields };
    return { document, isEvent: true };
  } catch (thrown) {
    const reason = OrderctlError.from(thrown).message;
    const base64 = Buffer.from(payload).toString("base64");
    return { document: { ...place, kind: null, reason, payload_base64: base64 }, isEvent: false };
  }
}

/** The end of a file that is ready for appending. */
export type FileEnd = {
  /** The length of the file. */
  bytes: number;
  /** The last line, if it was whole and lacked only its line break. */
  unendedLine?: string;
  /** What was repaired, as text for people. */
  repair?: string;
};

const chunkBytes = 64 * 1024;
/** The longest possible line: a message of 64 MB in base64. */
const longestLine = 96 * 1024 * 1024;
/**
 * Prepares a file for appending: cuts off an incomplete last line (left by a full disk or a kill) and adds a missing
 * line break. A missing file, or one without an end (a pipe, a device), is left as it is. Throws `usage` when the file
 * does not end in a line of a replay, which begins with one of `fields`, and does not change it.
 */
export async function prepareEnd(file: string, fields: readonly string[]): Promise<FileEnd> {
  const handle = await open(file, "r+").catch((thrown) => {
    if (systemCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  });
  try {
    const found = await handle?.stat();
    return handle && found?.isFile()
      ? await repairEnd(handle, { file, size: found.size, fields })
      : { bytes: 0 };
  } finally {
    await handle?.close();
  }
}

async function repairEnd(
  handle: FileHandle,
  { file, size, fields }: { file: string; size: number; fields: readonly string[] },
): Promise<FileEnd> {
  const end = await readEnd(handle, size);
  const lastBreak = end.lastIndexOf("\n");
  const rest = end.subarray(lastBreak + 1);
  const lastLine =
    lastBreak < 0 ? undefined : String(end.subarray(end.lastIndexOf("\n", lastBreak - 1) + 1, lastBreak));
  const isOurs = lastLine === undefined ? size === 0 || isBeginning(rest, fields) : isLine(lastLine, fields);
  if (!isOurs) throw notOurs(file);
  if (rest.length === 0) return { bytes: size };
  const text = String(rest);
  if (isLine(text, fields)) {
    await handle.write("\n", size);
    return {
      bytes: size + 1,
      unendedLine: text,
      repair: `${file}: its last line had no line break; added one`,
    };
  }
  const bytes = size - rest.length;
  await handle.truncate(bytes);
  return { bytes, repair: `${file} ended in half a line: cut off its last ${rest.length} bytes` };
}

/** The end of the file, starting at or before its last whole line. */
async function readEnd(handle: FileHandle, size: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let breaks = 0;
  let from = size;
  while (from > 0 && breaks < 2 && size - from < longestLine) {
    const length = Math.min(chunkBytes, from);
    from -= length;
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, from);
    chunks.unshift(buffer.subarray(0, bytesRead));
    for (let at = buffer.indexOf("\n"); at >= 0; at = buffer.indexOf("\n", at + 1)) breaks += 1;
  }
  return Buffer.concat(chunks);
}

function isLine(text: string, fields: readonly string[]): boolean {
  try {
    const value = JSON.parse(text);
    return fields.some((field) => typeof value?.[field] === "string");
  } catch {
    return false;
  }
}

const isBeginning = (rest: Buffer, fields: readonly string[]): boolean =>
  fields.some((field) => {
    const beginning = `{${JSON.stringify(field)}:`;
    const length = Math.min(rest.length, beginning.length);
    return String(rest.subarray(0, length)) === beginning.slice(0, length);
  });

const notOurs = (file: string): OrderctlError =>
  new OrderctlError("usage", `${file} is no file that a replay wrote: its end is no line of one`, {
    hint: "--out names another file; without --append this one is replaced",
  });
