import { OrderctlError, systemCode } from "../../core/errors.ts";

/** Bytes of a file in pieces, as streams yield them. */
export type ByteInput = AsyncIterable<Uint8Array | string>;

/** First bytes of common files that are not text, with what the file is and a hint. */
const notText: [begin: number[], what: string, hint: string][] = [
  [[0x50, 0x4b, 0x03, 0x04], "a workbook or a ZIP archive", "save the sheet as CSV"],
  [[0xd0, 0xcf, 0x11, 0xe0], "a workbook", "save the sheet as CSV"],
  [[0x1f, 0x8b], "compressed by gzip", "gunzip -c FILE | orderctl publish … --file -"],
];

/**
 * The bytes of `input` as UTF-8 without a byte order mark; UTF-16 is recognised by its byte order mark and converted.
 * Throws `usage`, naming the file, if it cannot be read, and `bad_message` if it is not text.
 */
export async function* readBytes(input: ByteInput, fileName: string): AsyncGenerator<Buffer> {
  let begin: Buffer | undefined = Buffer.alloc(0);
  let toUtf8 = (chunk: Buffer, _last: boolean): Buffer => chunk;
  for await (const chunk of readRaw(input, fileName)) {
    if (begin === undefined) {
      yield toUtf8(chunk, false);
      continue;
    }
    begin = Buffer.concat([begin, chunk]);
    if (begin.length < 4) continue;
    toUtf8 = converterFor(begin, fileName);
    yield toUtf8(begin, false);
    begin = undefined;
  }
  if (begin !== undefined) yield converterFor(begin, fileName)(begin, true);
  else yield toUtf8(Buffer.alloc(0), true);
}

/**
 * Reads the beginning of `input`, until `isEnough(head)` is true or the input ends; `after(start)` then yields all
 * bytes from offset `start`.
 */
export async function peekBytes(
  input: AsyncGenerator<Buffer>,
  isEnough: (head: Buffer) => boolean,
): Promise<{ head: Buffer; after: (start: number) => AsyncGenerator<Buffer> }> {
  let head = Buffer.alloc(0);
  while (!isEnough(head)) {
    const { value, done } = await input.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  async function* after(start: number): AsyncGenerator<Buffer> {
    yield head.subarray(start);
    yield* input;
  }
  return { head, after };
}

type Converter = (chunk: Buffer, last: boolean) => Buffer;

function converterFor(begin: Buffer, fileName: string): Converter {
  const [, what, hint] = notText.find(([bytes]) => bytes.every((byte, at) => begin[at] === byte)) ?? [];
  if (what !== undefined) {
    throw new OrderctlError("bad_message", `${fileName} is ${what}, not a text file`, { hint });
  }
  const [first, second] = begin;
  if (first === 0xff && second === 0xfe) return fromUtf16("utf-16le");
  if (first === 0xfe && second === 0xff) return fromUtf16("utf-16be");
  if (first === 0 || second === 0) {
    throw new OrderctlError("bad_message", `${fileName} is not UTF-8, or UTF-16 without a byte order mark`, {
      hint: "iconv -f UTF-16LE -t UTF-8 FILE | orderctl publish … --file -",
    });
  }
  let isFirst = true;
  return (chunk) => {
    const hasMark = isFirst && chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf;
    isFirst = false;
    return hasMark ? chunk.subarray(3) : chunk;
  };
}

function fromUtf16(encoding: string): Converter {
  const decoder = new TextDecoder(encoding);
  return (chunk, last) => Buffer.from(decoder.decode(chunk, { stream: !last }));
}

async function* readRaw(input: ByteInput, fileName: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of input) yield typeof chunk === "string" ? Buffer.from(chunk) : asBuffer(chunk);
  } catch (cause) {
    if (systemCode(cause) === undefined) throw cause;
    throw new OrderctlError("usage", `cannot read ${fileName}: ${(cause as Error).message}`, { cause });
  }
}

const asBuffer = (chunk: Uint8Array): Buffer => Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
