import { createWriteStream, type WriteStream } from "node:fs";
import { stat, truncate } from "node:fs/promises";
import { finished } from "node:stream/promises";
import { ChangeSignal } from "../core/change-signal.ts";
import { OrderctlError } from "../core/errors.ts";
import { printableJson } from "../core/foreign-text.ts";
import type { Note } from "../core/note.ts";
import type { Flow } from "../flow/flow.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import { replayDocument } from "./document.ts";
import { type FileEnd, prepareEnd } from "./file-end.ts";
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
