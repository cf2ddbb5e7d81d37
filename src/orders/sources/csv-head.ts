import { parse } from "csv-parse/sync";
import { OrderctlError } from "../../core/errors.ts";
import { type ColumnMapping, type ColumnPositions, locateColumns } from "./column-mapping.ts";
import { csvSyntax } from "./csv-rows.ts";

/**
 * The header of a CSV file: the byte (`start`) and line (`row`) it begins at, its separator and number of columns, and
 * the positions of the known columns.
 */
export type CsvHead = {
  start: number;
  row: number;
  separator: string;
  width: number;
  positions: ColumnPositions;
};

export type HeadOptions = {
  fileName: string;
  mapping?: ColumnMapping | undefined;
  /** By default the separator that splits the header into the required columns. */
  separator?: string | undefined;
  /** Number of lines, whatever their content, before the header. */
  skipLines?: number | undefined;
};

type Line = { start: number; row: number; text: string };
type Split = { separator: string; fields: string[]; positions: ColumnPositions | string };

/** The header has to end within this many bytes. */
export const headBytes = 64 * 1024;

const separators = [",", ";", "\t", "|"];
/** A first line such as `sep=;`, which tells Excel the separator. */
const sepLine = /^"?sep=(.)"?$/i;
/** Trims spaces only: a tab may be the separator. */
const withoutBlanks = (text: string): string => text.replace(/^ +| +$/g, "");
const shownCharacters = 200;

/**
 * Finds the header and the separator in the beginning of a file. Throws `bad_message` that quotes the line that was
 * taken for the header.
 */
export function readCsvHead(head: Buffer, options: HeadOptions): CsvHead {
  const lines = splitLines(head);
  const { skipLines = 0, fileName } = options;
  if (lines.every(({ text }) => text.trim() === ""))
    throw new OrderctlError("bad_message", `${fileName} is empty`);
  const rest = lines.slice(skipLines);
  const stated = [lines[0], rest[0]]
    .map((line) => sepLine.exec(withoutBlanks(line?.text ?? ""))?.[1])
    .find(Boolean);
  const header = rest.find(({ text }) => text.trim() !== "" && !sepLine.test(withoutBlanks(text)));
  if (header === undefined) {
    const hint = skipLines > 0 ? "--skip-lines is how many lines stand before the header" : undefined;
    throw new OrderctlError("bad_message", `${fileName} has no header after ${lines.length} lines`, { hint });
  }
  const tried = options.separator ?? stated;
  const splits = (tried === undefined ? separators : [tried]).map((separator) =>
    splitHeader(head, header, { ...options, separator }),
  );
  const found = splits.find(({ positions }) => typeof positions !== "string") ?? widest(splits);
  const { separator, fields, positions } = found;
  if (typeof positions !== "string")
    return { start: header.start, row: header.row, separator, width: fields.length, positions };
  throw new OrderctlError(
    "bad_message",
    `cannot read the header of ${fileName}: ${positions}; ${describe(header, found)}`,
    {
      hint: hintFor(
        { ...found, positions },
        { head, lines: rest.filter(({ row }) => row > header.row), options },
      ),
    },
  );
}

const widest = (splits: Split[]): Split =>
  splits.reduce((best, split) => (split.fields.length > best.fields.length ? split : best));

function splitHeader(
  head: Buffer,
  { start }: { start: number },
  options: HeadOptions & { separator: string },
): Split {
  const { separator, mapping } = options;
  try {
    const [fields = []]: string[][] = parse(head.subarray(start), {
      ...csvSyntax,
      delimiter: separator,
      to: 1,
    });
    return { separator, fields, positions: locateColumns(fields, mapping ?? {}) };
  } catch {
    return { separator, fields: [], positions: "a quote opens there and is not closed" };
  }
}

function describe({ row, text }: Line, { separator, fields }: Split): string {
  const shown = text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
  const columns = `${fields.length} ${fields.length === 1 ? "column" : "columns"}`;
  return `line ${row} is ${JSON.stringify(shown)}, ${columns} when split at ${nameOf(separator)}`;
}

export const nameOf = (separator: string): string =>
  separator === "\t" ? "tabs" : JSON.stringify(separator);

type Seen = { head: Buffer; lines: Line[]; options: HeadOptions };

function hintFor(
  { positions }: Split & { positions: string },
  { head, lines, options }: Seen,
): string | undefined {
  if (positions.endsWith("twice")) return "rename one of them; which is meant cannot be told";
  const isHeader = (line: Line) =>
    separators.some(
      (separator) => typeof splitHeader(head, line, { ...options, separator }).positions !== "string",
    );
  const later = lines.slice(0, 20).find(isHeader);
  if (later !== undefined) return `line ${later.row} looks like the header: --skip-lines ${later.row - 1}`;
  return options.mapping === undefined
    ? "--map order=Invoice,sku=Item,… names the columns of other files"
    : undefined;
}

function splitLines(head: Buffer): Line[] {
  const text = head.toString("latin1");
  const lines: Line[] = [];
  let start = 0;
  for (const { index, 0: lineBreak } of text.matchAll(/\r\n|\n|\r|$/g)) {
    if (start <= index && (start < text.length || lines.length === 0)) {
      lines.push({ start, row: lines.length + 1, text: head.subarray(start, index).toString() });
    }
    start = index + lineBreak.length;
  }
  return lines;
}
