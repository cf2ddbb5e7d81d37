import type { OrderLine } from "../events.ts";
import { toMinor } from "../money.ts";
import { isOrderId } from "../subjects.ts";
import { findLineFault } from "../wire/event-fault.ts";
import { type DecimalMark, plainNumber } from "./amount-text.ts";
import type { Column, ColumnPositions } from "./column-mapping.ts";
import type { FileDates } from "./dates.ts";
import { badRow } from "./source-item.ts";

/** One row of a CSV file: a line of an order, and what the row says about the order itself. */
export type InvoiceLine = {
  orderId: string;
  customerId: string;
  currency: string;
  /** The result of `FileDates.look`. */
  date: number | string | null;
  line: OrderLine;
};

/** What all rows of a file have in common. */
export type CsvLayout = {
  width: number;
  positions: ColumnPositions;
  currency: string;
  decimal: DecimalMark;
  dates: FileDates;
  /**
   * Whether the file has the columns of the public "Online Retail" files, in which an invoice number that begins with C
   * is a cancellation.
   */
  isRetail: boolean;
};

const cancellationPattern = /^C\d/i;

/** Reads one row. Throws `badRow` with the reason for a row that is not a valid order line. */
export function readInvoiceLine(fields: readonly string[], layout: CsvLayout, row: number): InvoiceLine {
  if (fields.length !== layout.width)
    throw badRow(`${fields.length} columns, the header has ${layout.width}`);
  const textOf = (column: Column): string => fields[layout.positions[column] ?? -1]?.trim() ?? "";
  const orderId = checkInvoice(textOf("order"), layout);
  const customerId = textOf("customer");
  const currency = textOf("currency") || layout.currency;
  const line = {
    sku: textOf("sku"),
    quantity: readQuantity(textOf("quantity"), layout.decimal),
    unitPriceMinor: readPrice(textOf("price"), currency, layout.decimal),
  };
  const fault = findLineFault(line);
  if (fault !== undefined) throw badRow(fault);
  if (`${line.sku}${customerId}`.includes("\uFFFD"))
    throw badRow("sku or customer is not UTF-8; save the file as UTF-8");
  return { orderId, customerId, currency, date: layout.dates.look(textOf("date"), row), line };
}

/**
 * The orders that an invalid row may belong to. In a row with too many or too few columns the order number may have
 * shifted, so every valid id in a column where it may be now is returned.
 */
export function orderIdsOf(fields: readonly string[], { width, positions: { order } }: CsvLayout): string[] {
  const shift = fields.length - width;
  const places = fields.slice(Math.max(0, order + Math.min(shift, 0)), order + Math.max(shift, 0) + 1);
  return [...new Set(places.map((field) => field.trim()).filter(isOrderId))];
}

function checkInvoice(invoice: string, { isRetail }: CsvLayout): string {
  if (invoice === "") throw badRow("no order number");
  if (isRetail && cancellationPattern.test(invoice)) throw badRow(`invoice ${invoice} is a cancellation`);
  if (isOrderId(invoice)) return invoice;
  throw badRow(
    `order number ${JSON.stringify(invoice.slice(0, 64))} is not 1 to 64 letters, digits, '-' or '_'`,
  );
}

function readQuantity(text: string, decimal: DecimalMark): number {
  const [, whole] = /^([+-]?\d+)(?:\.0*)?$/.exec(plainNumber(text, decimal)) ?? [];
  if (whole === undefined) throw badRow(`quantity ${JSON.stringify(text)} is not a whole number`);
  const quantity = Number(whole);
  if (quantity <= 0) throw badRow(`quantity is ${quantity}, not above zero`);
  return quantity;
}

function readPrice(text: string, currency: string, decimal: DecimalMark): number {
  if (text === "") throw badRow("no price");
  const unitPriceMinor = toMinor(plainNumber(text, decimal), currency);
  if (unitPriceMinor <= 0) throw badRow(`price is ${text} ${currency}, not above zero`);
  return unitPriceMinor;
}
