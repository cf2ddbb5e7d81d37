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
  /** Add to the file instead of replacing it. */
  append: boolean;
  stdout: NodeJS.WritableStream;
  /** Told of what had to be done to a file before it could be added to. */
  note: Note;
};

/**
 * Writes each message as one line of JSON, as `replayDocument` makes it. A file that cannot be written is an `output` error,
 * and is left with the whole lines of the messages that are settled, so that a replay of the rest can be added.
 */
export async function openFileTarget(options: FileOptions): Promise<ReplayTarget> {
  const { file, append, note } = options;
  const end: FileEnd = append && file !== "-" ? await endOf(file) : { bytes: 0 };
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
  /** Of the file, up to the last line that is settled. */
  #bytes: number;
  #underWay = 0;

  constructor({ flow, file, append, stdout }: FileOptions, { bytes, unendedLine }: FileEnd) {
    this.#flow = flow;
    this.#file = file;
    this.#own = file === "-" ? undefined : createWriteStream(file, { flags: append ? "a" : "w" });
    // Each write is told of it as well, and so is the end.
    this.#own?.on("error", () => undefined);
    this.#sink = this.#own ?? stdout;
    this.#result = { target: "file", file, lines: 0, undecodable: 0 };
    this.#bytes = bytes;
    this.#unendedLine = unendedLine;
  }

  take(message: StreamMessage, settle: Settle): Promise<void> | undefined {
    const { document, isEvent } = replayDocument(this.#flow, message);
    const line = printableJson(JSON.stringify(document));
    // It was written without its line break, and the place to go on was taken to be before it.
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

  /** False where there is no room for another. */
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

const endOf = (file: string): Promise<FileEnd> =>
  prepareEnd(file).catch((thrown) => {
    throw thrown instanceof OrderctlError ? thrown : cannotWrite(file, thrown);
  });

/** Of several lines that were written at once some may be there, or a part of one, though all of them failed. */
async function cutTo(file: string, bytes: number): Promise<void> {
  try {
    if ((await stat(file)).isFile()) await truncate(file, bytes);
  } catch {
    // It could not be written either; `--append` cuts off half a line.
  }
}

const cannotWrite = (file: string, cause: Error): OrderctlError =>
  new OrderctlError("output", `cannot write ${file}: ${cause.message}`, {
    hint: "name a place that has room with --out; where some of it is written, the command above goes on there",
    cause,
  });

type Document = Record<string, unknown>;

/**
 * A message as one JSON object. A created order is what `publish order --file` reads, and no more; another event says
 * what and where it is as well. What is no event has its payload in base64, and `reason` says why.
 */
export function replayDocument(flow: Flow, message: StreamMessage): { document: Document; isEvent: boolean } {
  const { subject, sequence, storedAtUs, payload } = message;
  const place = { subject, sequence, stored_at: isoTime(storedAtUs) };
  try {
    const event = flow.decode(logSubject(flow, subject), payload);
    const fields = flow.document(event);
    const document = event.kind === flow.firstKind ? fields : { ...place, kind: event.kind, ...fields };
    return { document, isEvent: true };
  } catch (thrown) {
    const reason = OrderctlError.from(thrown).message;
    const base64 = Buffer.from(payload).toString("base64");
    return { document: { ...place, kind: null, reason, payload_base64: base64 }, isEvent: false };
  }
}

/** A file as it is made ready to be added to. */
export type FileEnd = {
  /** How long it is now. */
  bytes: number;
  /** Its last line, where that was whole and only its line break was missing. */
  unendedLine?: string;
  /** What was done to it, for people. */
  repair?: string;
};

const chunkBytes = 64 * 1024;
/** No line of a replay is longer: a message of 64 MB at most, in base64. */
const longestLine = 96 * 1024 * 1024;
/** How each line begins that a replay writes. */
const beginnings = ['{"order_id":', '{"subject":'];

/**
 * Makes a file ready for more lines of a replay: half a line, as a full disk or a kill leaves it, is cut off, and a missing line
 * break is added. A file that is not there, or none that has an end (a pipe, a device), is taken as it is. Throws
 * `usage` for one that ends in something else than a line of a replay, and leaves it alone.
 */
export async function prepareEnd(file: string): Promise<FileEnd> {
  const handle = await open(file, "r+").catch((thrown) => {
    if (systemCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  });
  try {
    const found = await handle?.stat();
    return handle && found?.isFile() ? await repairEnd(handle, file, found.size) : { bytes: 0 };
  } finally {
    await handle?.close();
  }
}

async function repairEnd(handle: FileHandle, file: string, size: number): Promise<FileEnd> {
  const end = await readEnd(handle, size);
  const lastBreak = end.lastIndexOf("\n");
  const rest = end.subarray(lastBreak + 1);
  const lastLine =
    lastBreak < 0 ? undefined : String(end.subarray(end.lastIndexOf("\n", lastBreak - 1) + 1, lastBreak));
  const isOurs = lastLine === undefined ? size === 0 || isBeginning(rest) : isLine(lastLine);
  if (!isOurs) throw notOurs(file);
  if (rest.length === 0) return { bytes: size };
  const text = String(rest);
  if (isLine(text)) {
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

/** The end of a file from the beginning of its last whole line on. */
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

function isLine(text: string): boolean {
  try {
    const value = JSON.parse(text);
    return typeof value?.order_id === "string" || typeof value?.subject === "string";
  } catch {
    return false;
  }
}

const isBeginning = (rest: Buffer): boolean =>
  beginnings.some((beginning) => {
    const length = Math.min(rest.length, beginning.length);
    return String(rest.subarray(0, length)) === beginning.slice(0, length);
  });

const notOurs = (file: string): OrderctlError =>
  new OrderctlError("usage", `${file} is no file that a replay wrote: its end is no line of one`, {
    hint: "--out names another file; without --append this one is replaced",
  });
