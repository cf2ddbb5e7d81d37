import { defaultCurrency } from "../money.ts";
import { type ColumnMapping, locateColumns } from "./column-mapping.ts";
import { type CsvRow, readCsvRows } from "./csv-rows.ts";
import { InvoiceGrouping } from "./invoice-grouping.ts";
import { type CsvLayout, readInvoiceLine } from "./invoice-line.ts";
import { type ByteInput, badRow, readBytes, type SourceItem, toReject } from "./order-source.ts";

export type CsvOptions = {
  fileName: string;
  /** Without one the file has the header of the public "Online Retail" files. */
  mapping?: ColumnMapping | undefined;
  /** Of rows that name none: USD, but GBP for a file without a mapping. */
  currency?: string | undefined;
};

/**
 * Orders from a CSV file with a header and one order line per row, in constant memory. Consecutive rows of one invoice
 * make one order, under the invoice's number; a row that sells nothing is a reject and leaves the other rows of its
 * invoice alone. An order comes after the rejects among its rows. Throws only when the input cannot be read.
 */
export async function* readCsvOrders(input: ByteInput, options: CsvOptions): AsyncGenerator<SourceItem> {
  const grouping = new InvoiceGrouping();
  let layout: CsvLayout | undefined;
  const take = (row: CsvRow): SourceItem | undefined => {
    if (row.unreadable !== undefined) throw badRow(`${row.unreadable}; nothing from here on was read`);
    if (layout !== undefined) return grouping.add(readInvoiceLine(row.fields, layout), row.row);
    layout = readHeader(row, options);
    return undefined;
  };
  for await (const row of readCsvRows(readBytes(input, options.fileName))) {
    const item = isBlank(row) ? undefined : attempt(take, row);
    if (item !== undefined) yield item;
    // A file whose header is not understood is one reject, not one for every row.
    if (item !== undefined && layout === undefined) return;
  }
  const last = grouping.finish();
  if (last !== undefined) yield last;
}

function attempt(take: (row: CsvRow) => SourceItem | undefined, row: CsvRow): SourceItem | undefined {
  try {
    return take(row);
  } catch (thrown) {
    return toReject(thrown, { row: row.row, text: row.fields.join(",") });
  }
}

function readHeader({ fields }: CsvRow, { mapping, currency }: CsvOptions): CsvLayout {
  const positions = locateColumns(fields, mapping ?? {});
  if (typeof positions === "string") throw badRow(positions);
  const fallback = mapping === undefined ? "GBP" : defaultCurrency;
  return { width: fields.length, positions, currency: currency ?? fallback };
}

const isBlank = ({ fields, unreadable }: CsvRow): boolean =>
  unreadable === undefined && fields.length === 1 && fields[0]?.trim() === "";
