import { CsvError, parse } from "csv-parse";
import { maxRowBytes } from "../../publish/files/reject.ts";

/**
 * The fields of one record and the line it begins on; `unreadable` says why later rows are swallowed by it, or not
 * read.
 */
export type CsvRow = { row: number; fields: string[]; unreadable?: string };

/** `row`: line number at which `input` begins. */
export type CsvShape = { separator: string; row: number };

/** RFC 4180, with any line break and stray quotes tolerated. */
export const csvSyntax = {
  record_delimiter: ["\r\n", "\n", "\r"],
  relax_quotes: true,
  relax_column_count: true,
  max_record_size: maxRowBytes,
};

/**
 * Records of a CSV file in constant memory; the others should have as many columns as the first. Lines are counted here
 * because csv-parse counts a CRLF inside quotes twice.
 */
export async function* readCsvRows(input: AsyncIterable<Buffer>, shape: CsvShape): AsyncGenerator<CsvRow> {
  const parser = createParser(shape.separator);
  let { row } = shape;
  let width: number | undefined;
  const numbered = (fields: string[]): CsvRow => {
    const begins = row;
    width ??= fields.length;
    let holdsOthers = false;
    row += 1;
    for (const field of fields) {
      const breaks = countLineBreaks(field);
      if (breaks > 0 && holdsRows(field, breaks, { separator: shape.separator, width })) holdsOthers = true;
      row += breaks;
    }
    if (!holdsOthers) return { row: begins, fields };
    const unreadable = `a quote opens here and closes in line ${row - 1} or not at all, with other rows in it`;
    return { row: begins, fields, unreadable };
  };
  for await (const chunk of input) {
    await parser.write(chunk);
    for (const fields of parser.take()) yield numbered(fields);
    if (parser.failure() !== undefined) break;
  }
  await parser.end();
  for (const fields of parser.take()) yield numbered(fields);
  const failure = parser.failure();
  if (failure !== undefined) yield { row, fields: [], unreadable: failure };
}

/**
 * True if the field has swallowed later rows: a quote that is not closed ends only at the next quote, rows later. Such
 * a field begins with the quote, which csv-parse keeps if it was closed badly, or has as many separators for each line
 * break as a row has.
 */
function holdsRows(
  field: string,
  breaks: number,
  { separator, width }: { separator: string; width: number },
): boolean {
  return field.startsWith('"') || (width > 2 && field.split(separator).length - 1 >= breaks * (width - 1));
}

/** Collects records as they are recognised: a stream discards its own buffer when it fails. */
function createParser(separator: string) {
  let records: string[][] = [];
  let failed: Error | undefined;
  const stream = parse({
    ...csvSyntax,
    delimiter: separator,
    on_record: (fields: string[]) => {
      records.push(fields);
      return null;
    },
  });
  stream.on("error", (error) => {
    failed = error;
  });
  stream.resume();
  return {
    write: (chunk: Buffer) => new Promise<void>((resolve) => stream.write(chunk, () => resolve())),
    end: () => new Promise<void>((resolve) => (failed ? resolve() : stream.once("close", resolve).end())),
    take: () => {
      const taken = records;
      records = [];
      return taken;
    },
    failure: () => failed && describeFailure(failed),
  };
}

function describeFailure(error: Error): string {
  if (!(error instanceof CsvError)) throw error;
  if (error.code === "CSV_QUOTE_NOT_CLOSED") return "a quote opens here and is never closed";
  if (error.code === "CSV_MAX_RECORD_SIZE")
    return `longer than ${maxRowBytes} bytes, or a quote that is never closed`;
  throw error;
}

function countLineBreaks(field: string): number {
  let count = 0;
  for (let at = field.indexOf("\n"); at >= 0; at = field.indexOf("\n", at + 1)) count++;
  for (let at = field.indexOf("\r"); at >= 0; at = field.indexOf("\r", at + 1))
    if (field[at + 1] !== "\n") count++;
  return count;
}
