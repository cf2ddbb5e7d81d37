import { OrderctlError } from "../../errors.ts";
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
 * invoice alone. An order comes after the rejects among its rows. Throws only when the input cannot be read, and
 * `bad_message` when its header lacks a column.
 */
export async function* readCsvOrders(input: ByteInput, options: CsvOptions): AsyncGenerator<SourceItem> {
  const grouping = new InvoiceGrouping();
  let layout: CsvLayout | undefined;
  for await (const row of readCsvRows(readBytes(input, options.fileName))) {
    if (isBlank(row)) continue;
    const item = layout && takeRow(row, layout, grouping);
    layout ??= readHeader(row, options);
    if (item !== undefined) yield item;
  }
  const last = grouping.finish();
  if (last !== undefined) yield last;
}

function takeRow(row: CsvRow, layout: CsvLayout, grouping: InvoiceGrouping): SourceItem | undefined {
  try {
    if (row.unreadable !== undefined) throw badRow(`${row.unreadable}; nothing from here on was read`);
    return grouping.add(readInvoiceLine(row.fields, layout), row.row);
  } catch (thrown) {
    return toReject(thrown, { row: row.row, text: row.fields.join(",") });
  }
}

function readHeader({ fields, unreadable }: CsvRow, { fileName, mapping, currency }: CsvOptions): CsvLayout {
  const positions = unreadable ?? locateColumns(fields, mapping ?? {});
  if (typeof positions === "string") {
    const isOther = unreadable === undefined && mapping === undefined;
    throw new OrderctlError("bad_message", `cannot read the header of ${fileName}: ${positions}`, {
      hint: isOther ? "--map order=Invoice,sku=Item,… names the columns of other files" : undefined,
    });
  }
  const fallback = mapping === undefined ? "GBP" : defaultCurrency;
  return { width: fields.length, positions, currency: currency ?? fallback };
}

const isBlank = ({ fields, unreadable }: CsvRow): boolean =>
  unreadable === undefined && fields.length === 1 && fields[0]?.trim() === "";
