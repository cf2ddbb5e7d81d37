import { findEventFault, maxLines } from "../event-fault.ts";
import type { OrderCreated } from "../events.ts";
import type { InvoiceLine } from "./invoice-line.ts";
import { badRow, type SourceItem, toReject } from "./order-source.ts";

type Invoice = { order: OrderCreated; row: number };

/** So many of the last invoices are remembered, to tell a new invoice from one that comes back. */
const remembered = 100_000;

/**
 * Makes orders of consecutive lines. An invoice that goes on after others is refused, because its order was handed
 * out already. One that comes back after 100,000 others is not recognised; the stream then refuses it as a duplicate.
 */
export class InvoiceGrouping {
  #open: Invoice | undefined;
  readonly #closed = new Set<string>();

  /** Takes a line in; returns the order before it if this line begins another. Throws `bad_message` for a misfit. */
  add(line: InvoiceLine, row: number): SourceItem | undefined {
    if (this.#open?.order.orderId === line.orderId) {
      extend(this.#open.order, line);
      return undefined;
    }
    if (this.#closed.has(line.orderId))
      throw badRow(`invoice ${line.orderId} continues after other invoices`);
    const finished = this.finish();
    this.#open = { order: beginOrder(line), row };
    return finished;
  }

  /** Closes the order under way and returns it. */
  finish(): SourceItem | undefined {
    if (this.#open === undefined) return undefined;
    const { order, row } = this.#open;
    this.#open = undefined;
    this.#remember(order.orderId);
    const fault = findEventFault(order);
    return fault === undefined ? { order, row } : toReject(badRow(fault), { row, text: order.orderId });
  }

  #remember(orderId: string): void {
    this.#closed.add(orderId);
    const [oldest] = this.#closed;
    if (this.#closed.size > remembered && oldest !== undefined) this.#closed.delete(oldest);
  }
}

const beginOrder = ({ orderId, customerId, currency, createdAtUs, line }: InvoiceLine): OrderCreated => ({
  kind: "created",
  orderId,
  customerId,
  lines: [line],
  total: { amountMinor: line.quantity * line.unitPriceMinor, currency },
  createdAtUs,
});

function extend(order: OrderCreated, { customerId, currency, line }: InvoiceLine): void {
  if (currency !== order.total.currency) {
    throw badRow(`currency ${currency} differs from ${order.total.currency} in the rows before`);
  }
  if (order.lines.length >= maxLines) throw badRow(`more than ${maxLines} lines in one order`);
  order.lines.push(line);
  order.total.amountMinor += line.quantity * line.unitPriceMinor;
  order.customerId ||= customerId;
}
