import { type Line, readBoundedLines } from "./bounded-lines.ts";
import { type ByteInput, peekBytes, readBytes } from "./file-bytes.ts";
import { maxRowBytes } from "./reject.ts";

/**
 * The values of a file with one JSON value per line, with values that each span several lines, or with one array, in
 * constant memory. `row` is the line that a value begins on; `place` counts them, or is that line where each has one.
 * Throws `usage` if the input cannot be read, `bad_message` if it is not text.
 */
export async function* readJsonFile(
  input: ByteInput,
  fileName: string,
): AsyncGenerator<JsonValue & { place: number }> {
  const bytes = readBytes(input, fileName);
  try {
    const { head, after } = await peekBytes(bytes, tellsForm);
    const form = formOf(head.toString());
    const values = form === "lines" ? readBoundedLines(after(0)) : readJsonValues(after(0), form === "array");
    let count = 0;
    for await (const value of values) {
      count += 1;
      yield { ...value, place: form === "lines" ? value.row : count };
    }
  } finally {
    await bytes.return(undefined);
  }
}

/** Why a value cannot be read; undefined where it can. */
export function faultOf({ fault, tooLong }: JsonValue): string | undefined {
  if (fault !== undefined) return `not JSON: ${fault}; nothing from here on was read`;
  return tooLong ? `longer than ${maxRowBytes} bytes` : undefined;
}

/**
 * True once `head` is enough for `formOf`: an array shows in the first character, every other form in the first line.
 */
const tellsForm = (head: Buffer): boolean =>
  head.length >= maxRowBytes || /^\s*(?:\[|\S[^\n\r]*[\n\r])/.test(head.toString("latin1"));

/**
 * `values` (objects over several lines) if the first line opens an object and ends where more has to follow: after a
 * bracket, a comma or a colon.
 */
function formOf(head: string): "array" | "lines" | "values" {
  const text = head.trimStart();
  if (text.startsWith("[")) return "array";
  const [line = ""] = text.split(/[\n\r]/, 1);
  return /^\{(?:.*[[{,:])?\s*$/.test(line) ? "values" : "lines";
}

/** One value of a JSON file and the line that it begins on; `fault` says why nothing after it can be read. */
export type JsonValue = Line & { fault?: string };

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [open, close] = [
  [0x5b, 0x7b],
  [0x5d, 0x7d],
];
const [lineFeed, carriageReturn, space, tab] = [0x0a, 0x0d, 0x20, 0x09];

/**
 * Splits the elements of one JSON array, or consecutive JSON values that may span lines, in constant memory: at most
 * `maxRowBytes` and one chunk are held. Finds only where a value ends; does not check it.
 */
export async function* readJsonValues(
  input: AsyncIterable<Buffer>,
  isArray: boolean,
): AsyncGenerator<JsonValue> {
  const splitter = new JsonSplitter(isArray);
  for await (const chunk of input) {
    yield* splitter.split(chunk);
    if (splitter.isLost) return;
  }
  const rest = splitter.finish();
  if (rest) yield rest;
}

/**
 * In this order: before the array, before a value, within a value, after an array's element (a comma or the end has to
 * follow), after the array.
 */
type Place = "outside" | "before" | "within" | "after" | "end";

class JsonSplitter {
  readonly #isArray: boolean;
  #place: Place;
  #line = 1;
  #lastByte = 0;
  #depth = 0;
  #inText = false;
  #escaped = false;
  #mayClose = true;
  #found: JsonValue[] = [];
  /** Offset in the current chunk of the part of the value that is not kept in `#value` yet. */
  #start = 0;
  #value: JsonValue = { row: 1, bytes: Buffer.alloc(0), tooLong: false };
  isLost = false;

  constructor(isArray: boolean) {
    this.#isArray = isArray;
    this.#place = isArray ? "outside" : "before";
  }

  split(chunk: Buffer): JsonValue[] {
    this.#found = [];
    this.#start = 0;
    for (let at = 0; at < chunk.length && !this.isLost; at++) this.#take(chunk, at);
    if (this.#isWithin()) this.#keep(chunk.subarray(this.#start));
    return this.#found;
  }

  #take(chunk: Buffer, at: number): void {
    const byte = chunk[at] ?? 0;
    this.#countLine(byte);
    const end = this.#isWithin() ? this.#endOf(byte, at) : at;
    if (end === undefined) return;
    if (this.#isWithin()) this.#finishValue(chunk.subarray(this.#start, end));
    if (end === at && !isSpace(byte)) this.#between(byte, chunk.subarray(at, at + 200));
    this.#start = at;
  }

  #countLine(byte: number): void {
    if (byte === carriageReturn || (byte === lineFeed && this.#lastByte !== carriageReturn)) this.#line += 1;
    this.#lastByte = byte;
  }

  #finishValue(piece: Buffer): void {
    this.#keep(piece);
    this.#found.push(this.#value);
    this.#place = this.#isArray ? "after" : "before";
  }

  readonly #isWithin = (): boolean => this.#place === "within";

  /**
   * To be called at the end of the file: returns a number or literal that only the end of the file completes, or a
   * fault if a value or the array is not closed.
   */
  finish(): JsonValue | undefined {
    const here = { row: this.#line, bytes: Buffer.alloc(0), tooLong: false };
    if (this.#place === "within") {
      if (this.#depth === 0 && !this.#inText && !this.#isArray) return this.#value;
      return { ...this.#value, fault: "the file ends within this value" };
    }
    if (!this.#isArray || this.#place === "end") return undefined;
    return { ...here, fault: "the file ends before the array does" };
  }

  /** Takes a byte between values; if it cannot stand there, adds a fault and ends the splitting (`isLost`). */
  #between(byte: number, bytes: Buffer): void {
    const fault = this.#step(byte);
    if (fault === undefined) return;
    this.isLost = true;
    this.#found.push({ row: this.#line, bytes, tooLong: false, fault });
  }

  #step(byte: number): string | undefined {
    switch (this.#place) {
      case "outside":
        this.#place = "before";
        return undefined;
      case "end":
        return "there is more after the end of the array";
      case "after":
        return this.#stepAfter(byte);
      default:
        return this.#stepBefore(byte);
    }
  }

  #stepAfter(byte: number): string | undefined {
    if (byte !== comma && byte !== close[0]) return 'a "," or "]" is missing before this';
    this.#place = byte === comma ? "before" : "end";
    this.#mayClose = false;
    return undefined;
  }

  #stepBefore(byte: number): string | undefined {
    if (this.#isArray && this.#mayClose && byte === close[0]) this.#place = "end";
    else if (endsNumber(byte))
      return `${JSON.stringify(String.fromCharCode(byte))} stands where a value should`;
    else this.#begin(byte);
    return undefined;
  }

  #begin(byte: number): void {
    this.#place = "within";
    this.#value = { row: this.#line, bytes: Buffer.alloc(0), tooLong: false };
    this.#depth = open.includes(byte) ? 1 : 0;
    this.#inText = byte === quote;
    this.#escaped = false;
  }

  /**
   * Takes a byte within a value. Returns the offset at which the value ends: before this byte for a number or literal,
   * else after it; `undefined` if the value goes on.
   */
  #endOf(byte: number, at: number): number | undefined {
    if (this.#inText) return this.#endsText(byte) && this.#depth === 0 ? at + 1 : undefined;
    if (this.#depth === 0) return isSpace(byte) || endsNumber(byte) ? at : undefined;
    this.#nest(byte);
    return this.#depth === 0 ? at + 1 : undefined;
  }

  #nest(byte: number): void {
    if (byte === quote) this.#inText = true;
    else if (open.includes(byte)) this.#depth += 1;
    else if (close.includes(byte)) this.#depth -= 1;
  }

  #endsText(byte: number): boolean {
    const isEscaped = this.#escaped;
    this.#escaped = !isEscaped && byte === backslash;
    if (isEscaped || byte !== quote) return false;
    this.#inText = false;
    return true;
  }

  #keep(piece: Buffer): void {
    const value = this.#value;
    value.tooLong ||= value.bytes.length + piece.length > maxRowBytes;
    if (!value.tooLong) value.bytes = value.bytes.length === 0 ? piece : Buffer.concat([value.bytes, piece]);
    else if (value.bytes.length === 0) value.bytes = piece.subarray(0, 1024);
  }
}

const endsNumber = (byte: number): boolean => byte === comma || close.includes(byte);

const isSpace = (byte: number): boolean =>
  byte === space || byte === lineFeed || byte === carriageReturn || byte === tab;
