import { OrderctlError } from "../../core/errors.ts";
import { type ByteInput, peekBytes, readBytes } from "../../publish/files/file-bytes.ts";
import { beginningOf } from "../../publish/files/reject.ts";
import { defaultCurrency } from "../money.ts";
import type { DecimalMark } from "./amount-text.ts";
import type { ColumnMapping } from "./column-mapping.ts";
import { headBytes, readCsvHead } from "./csv-head.ts";
import { type CsvRow, readCsvRows } from "./csv-rows.ts";
import { FileDates } from "./dates.ts";
import { type CsvLayout, orderIdsOf, readInvoiceLine } from "./invoice-line.ts";
import { OrderAssembly, OrderTally, type ReadRow } from "./order-assembly.ts";
import { RowSpool } from "./row-spool.ts";
import { reasonOf, type SourceItem } from "./source-item.ts";

/** Memory bounds: 100 MB for counting this many orders, 200 MB for this many rows of orders that are not complete. */
const limits = { orders: 5_000_000, heldRows: 500_000 };

export type CsvOptions = {
  fileName: string;
  /** Header names of the columns; by default those of the public "Online Retail" files. */
  mapping?: ColumnMapping | undefined;
  /** Currency of rows that name none; by default USD, or GBP for a file without a mapping. */
  currency?: string | undefined;
  /** Separator of columns; by default recognised from the header, or from a first line `sep=;`. */
  separator?: string | undefined;
  /** Decimal mark; by default a comma in a file with semicolons, else a point. */
  decimal?: "." | "," | undefined;
  /** Number of lines before the header. */
  skipLines?: number | undefined;
  /** Format of the dates, as `compileDateFormat` takes it. */
  dateFormat?: string | undefined;
  /** Reject only the invalid rows and keep the others of their orders. */
  partial?: boolean | undefined;
  /** Called with how the dates were read, if that was not certain from the beginning of the file. */
  onNote?: ((text: string) => void) | undefined;
  /** Called now and then with the number of lines read, in the first pass over the file, which yields no orders. */
  onRead?: ((lines: number) => void) | undefined;
  limits?: typeof limits | undefined;
};

/**
 * Orders from a CSV file with a header and one order line per row. The rows of one order may stand anywhere in the
 * file: the order is yielded after its last row; if one of its rows is invalid, each of its rows is yielded as a reject
 * instead. So the whole file is first read into a temporary file. Throws `usage` if it cannot be read; `bad_message`
 * for a header that lacks a column, and for a quote that is never closed, since it may hide rows of any order;
 * `too_large` beyond the limits.
 */
export async function* readCsvOrders(input: ByteInput, options: CsvOptions): AsyncGenerator<SourceItem> {
  const { orders, heldRows } = options.limits ?? limits;
  const dates = new FileDates(options.dateFormat, options.mapping === undefined);
  const spool = new RowSpool<ReadRow>();
  try {
    const tally = new OrderTally(orders);
    for await (const read of readRows(input, options, dates)) {
      for (const orderId of idsOf(read)) tally.add(orderId);
      spool.add(read);
    }
    const { read: readDate, told } = dates.settle();
    if (told !== undefined) options.onNote?.(told);
    const rowsOf = (orderId: string) => tally.rowsOf(orderId);
    const partial = options.partial ?? false;
    const assembly = new OrderAssembly({ rowsOf, readDate, partial, maxHeldRows: heldRows });
    for (const read of spool.read()) yield* assembly.take(read);
  } finally {
    spool.close();
  }
}

const idsOf = (read: ReadRow): readonly string[] => ("line" in read ? [read.line.orderId] : read.orderIds);

const toldEvery = 1000;

async function* readRows(input: ByteInput, options: CsvOptions, dates: FileDates): AsyncGenerator<ReadRow> {
  const bytes = readBytes(input, options.fileName);
  try {
    const { head, after } = await peekBytes(bytes, ({ length }) => length >= headBytes);
    const { start, ...shape } = readCsvHead(head, options);
    const layout = { ...layoutOf(shape.separator, options), ...shape, dates };
    let isHeader = true;
    let count = 0;
    for await (const row of readCsvRows(after(start), shape)) {
      if (!isHeader && !isBlank(row)) yield readRow(row, layout, options);
      isHeader = false;
      if (count++ % toldEvery === 0) options.onRead?.(row.row);
    }
  } finally {
    await bytes.return(undefined);
  }
}

function layoutOf(separator: string, { mapping, currency, decimal }: CsvOptions) {
  const mark = decimal ?? (separator === ";" ? "," : ".");
  const decimalMark: DecimalMark = { mark, isStated: decimal !== undefined };
  const isRetail = mapping === undefined;
  return { currency: currency ?? (isRetail ? "GBP" : defaultCurrency), decimal: decimalMark, isRetail };
}

function readRow(row: CsvRow, layout: CsvLayout & { separator: string }, options: CsvOptions): ReadRow {
  const read = { row: row.row, text: beginningOf(row.fields.join(layout.separator)) };
  if (row.unreadable !== undefined) {
    if (!options.partial) throw unreadable(row, options.fileName);
    return { ...read, reason: row.unreadable, orderIds: [] };
  }
  try {
    return { ...read, line: readInvoiceLine(row.fields, layout, row.row) };
  } catch (thrown) {
    return { ...read, reason: reasonOf(thrown), orderIds: orderIdsOf(row.fields, layout) };
  }
}

const unreadable = ({ row, unreadable: why }: CsvRow, fileName: string): OrderctlError =>
  new OrderctlError("bad_message", `${fileName}:${row}: ${why}; so no order can be known to be whole`, {
    hint: "mend that line; with --partial its rows are left out",
  });

const isBlank = ({ fields, unreadable: why }: CsvRow): boolean =>
  why === undefined && fields.every((field) => field.trim() === "");
