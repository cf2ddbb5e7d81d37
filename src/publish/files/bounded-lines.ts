import { maxRowBytes } from "./reject.ts";

/** A line without its line break, numbered from 1; if `tooLong`, `bytes` has only its beginning. */
export type Line = { row: number; bytes: Buffer; tooLong: boolean };

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const noBytes = Buffer.alloc(0);

/**
 * Splits bytes at line breaks in constant memory: at most `maxRowBytes` and one chunk are held. A line break is `\n`,
 * or `\r` if the first chunk with a line break has no `\n`; the `\r` of `\r\n` stays at the end of the line.
 */
export async function* readBoundedLines(input: AsyncIterable<Buffer>): AsyncGenerator<Line> {
  let row = 1;
  let tooLong = false;
  let held: Buffer = noBytes;
  let newline: number | undefined;
  const keep = (piece: Buffer): void => {
    tooLong ||= held.length + piece.length > maxRowBytes;
    if (!tooLong) held = held.length === 0 ? piece : Buffer.concat([held, piece]);
    else if (held.length === 0) held = piece.subarray(0, 1024);
  };
  for await (const chunk of input) {
    let start = 0;
    newline ??= lineBreakIn(chunk);
    const next = () => (newline === undefined ? -1 : chunk.indexOf(newline, start));
    for (let end = next(); end >= 0; end = next()) {
      keep(chunk.subarray(start, end));
      yield { row, bytes: held, tooLong };
      row++;
      tooLong = false;
      held = noBytes;
      start = end + 1;
    }
    if (start < chunk.length) keep(chunk.subarray(start));
  }
  if (held.length > 0) yield { row, bytes: held, tooLong };
}

function lineBreakIn(chunk: Buffer): number | undefined {
  if (chunk.includes(lineFeed)) return lineFeed;
  return chunk.includes(carriageReturn) ? carriageReturn : undefined;
}
