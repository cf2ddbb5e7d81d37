import { CsvError, parse } from "csv-parse";
import { maxRowBytes } from "./order-source.ts";

/** The fields of one record and the line it begins on; `unreadable` ends the file, it says why. */
export type CsvRow = { row: number; fields: string[]; unreadable?: string };

/**
 * Records of a CSV file (RFC 4180; LF or CRLF, BOM, stray quotes tolerated) in constant memory. Rows are counted here
 * because csv-parse counts a CRLF inside quotes twice.
 */
export async function* readCsvRows(input: AsyncIterable<Buffer>): AsyncGenerator<CsvRow> {
  const parser = createParser();
  let row = 1;
  const numbered = (fields: string[]): CsvRow => {
    const begins = row;
    row += 1 + fields.reduce((sum, field) => sum + countLineBreaks(field), 0);
    return { row: begins, fields };
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

/** Records are collected as they are recognised: a stream's own buffer is thrown away when it fails. */
function createParser() {
  let records: string[][] = [];
  let failed: Error | undefined;
  const stream = parse({
    bom: true,
    record_delimiter: ["\r\n", "\n"],
    relax_quotes: true,
    relax_column_count: true,
    max_record_size: maxRowBytes,
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
  return count;
}
