import { findLineFault } from "../event-fault.ts";
import type { OrderLine } from "../events.ts";
import { toMinor } from "../money.ts";
import { isOrderId } from "../subjects.ts";
import type { Column, ColumnPositions } from "./column-mapping.ts";
import { parseDateUs } from "./date-text.ts";
import { badRow } from "./order-source.ts";

/** One row of a CSV file: a line of an order, and what the row says about the order itself. */
export type InvoiceLine = {
  orderId: string;
  customerId: string;
  currency: string;
  createdAtUs: number | null;
  line: OrderLine;
};

/** What every row of a file has in common. */
export type CsvLayout = { width: number; positions: ColumnPositions; currency: string };

const cancellationPattern = /^C\d/i;
const wholePattern = /^[+-]?\d+$/;

/** Reads one row. Throws `bad_message` with the reason for a row that sells nothing. */
export function readInvoiceLine(fields: readonly string[], layout: CsvLayout): InvoiceLine {
  if (fields.length !== layout.width)
    throw badRow(`${fields.length} columns, the header has ${layout.width}`);
  const textOf = (column: Column): string => fields[layout.positions[column] ?? -1]?.trim() ?? "";
  const orderId = checkInvoice(textOf("order"));
  const customerId = textOf("customer");
  const currency = textOf("currency") || layout.currency;
  const line = {
    sku: textOf("sku"),
    quantity: readQuantity(textOf("quantity")),
    unitPriceMinor: readPrice(textOf("price"), currency),
  };
  const fault = findLineFault(line);
  if (fault !== undefined) throw badRow(fault);
  if (`${line.sku}${customerId}`.includes("\uFFFD")) throw badRow("sku or customer is not UTF-8");
  return { orderId, customerId, currency, createdAtUs: parseDateUs(textOf("date")), line };
}

function checkInvoice(invoice: string): string {
  if (invoice === "") throw badRow("no order number");
  if (cancellationPattern.test(invoice)) throw badRow(`invoice ${invoice} is a cancellation`);
  if (isOrderId(invoice)) return invoice;
  throw badRow(
    `order number ${JSON.stringify(invoice.slice(0, 64))} is not 1 to 64 letters, digits, '-' or '_'`,
  );
}

function readQuantity(text: string): number {
  if (!wholePattern.test(text)) throw badRow(`quantity ${JSON.stringify(text)} is not a whole number`);
  const quantity = Number(text);
  if (quantity <= 0) throw badRow(`quantity is ${quantity}, not above zero`);
  return quantity;
}

function readPrice(text: string, currency: string): number {
  if (text === "") throw badRow("no price");
  const unitPriceMinor = toMinor(text, currency);
  if (unitPriceMinor <= 0) throw badRow(`price is ${text} ${currency}, not above zero`);
  return unitPriceMinor;
}
