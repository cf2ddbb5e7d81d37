import { OrderctlError } from "../../core/errors.ts";
import type { OrderCreated } from "../events.ts";
import { findEventFault, maxLines } from "../wire/event-fault.ts";
import type { InvoiceLine } from "./invoice-line.ts";
import { badRow, reasonOf, type SourceItem } from "./source-item.ts";

/**
 * One row of the file: a valid order line, or the reason why it is invalid and the ids of the orders it may belong to.
 */
export type ReadRow = { row: number; text: string } & (
  | { line: InvoiceLine }
  | { reason: string; orderIds: readonly string[] }
);

export type AssemblyOptions = {
  /** Number of rows that an order has in the whole file. */
  rowsOf: (orderId: string) => number;
  /** Unix time in µs of a date that could be interpreted only after the whole file was read; throws `badRow`. */
  readDate: (text: string) => number;
  /** Reject only the invalid rows and keep the rest of their orders. */
  partial: boolean;
  /** Most rows held in memory for orders whose last row has not come yet. */
  maxHeldRows: number;
};

type Begun = { left: number; rows: ReadRow[]; wrongRow: number | undefined };

/**
 * Builds orders from rows that come in any order. An order is returned when its last row in the file arrives: as a
 * whole or, if one of its rows is invalid (and `partial` is not set), as one reject for each of its rows.
 */
export class OrderAssembly {
  readonly #options: AssemblyOptions;
  readonly #begun = new Map<string, Begun>();
  #held = 0;

  constructor(options: AssemblyOptions) {
    this.#options = options;
  }

  /**
   * Adds a row; returns the orders and rejects that it completes. Throws `too_large` if more than `maxHeldRows` rows
   * are held.
   */
  take(read: ReadRow): SourceItem[] {
    const row = this.#dated(read);
    if ("line" in row) return this.#hold(row.line.orderId, row);
    const [orderId, ...others] = row.orderIds;
    const { partial } = this.#options;
    const items = orderId === undefined || partial ? [rejectOf(row, row.reason)] : [];
    if (orderId !== undefined) items.push(...this.#hold(orderId, row));
    for (const other of others) items.push(...this.#hold(other, row, true));
    return items;
  }

  #dated(read: ReadRow): ReadRow {
    if (!("line" in read) || typeof read.line.date !== "string") return read;
    const { row, text, line } = read;
    try {
      return { row, text, line: { ...read.line, date: this.#options.readDate(read.line.date) } };
    } catch (thrown) {
      return { row, text, reason: reasonOf(thrown), orderIds: [line.orderId] };
    }
  }

  #hold(orderId: string, row: ReadRow, isElsewhere = false): SourceItem[] {
    const { partial, rowsOf } = this.#options;
    const count = rowsOf(orderId);
    if (count > maxLines && !partial) {
      return isElsewhere
        ? []
        : [rejectOf(row, `order ${orderId} has ${count} rows, ${maxLines} are the most`)];
    }
    const begun = this.#begin(orderId, count);
    begun.left -= 1;
    const isWrong = "reason" in row;
    if (isWrong) begun.wrongRow ??= row.row;
    const isLeftOut = isElsewhere || (isWrong && partial);
    const items = [...(isLeftOut ? [] : this.#keep(begun, row)), ...this.#closeIfWhole(orderId, begun)];
    if (this.#held > this.#options.maxHeldRows) throw tooScattered(row.row, this.#options.maxHeldRows);
    return items;
  }

  #begin(orderId: string, count: number): Begun {
    const begun = this.#begun.get(orderId) ?? { left: count, rows: [], wrongRow: undefined };
    this.#begun.set(orderId, begun);
    return begun;
  }

  #keep(begun: Begun, row: ReadRow): SourceItem[] {
    if (begun.rows.length >= maxLines) return [rejectOf(row, `more than ${maxLines} lines in one order`)];
    begun.rows.push(row);
    this.#held += 1;
    return [];
  }

  #closeIfWhole(orderId: string, begun: Begun): SourceItem[] {
    if (begun.left > 0) return [];
    this.#begun.delete(orderId);
    this.#held -= begun.rows.length;
    return this.#options.partial ? orderOfGoodRows(begun.rows) : wholeOrder(begun);
  }
}

const tooScattered = (row: number, limit: number): OrderctlError =>
  new OrderctlError(
    "too_large",
    `line ${row}: more than ${limit.toLocaleString("en")} rows of orders that go on later in the file`,
    {
      hint: "sort the rows by their order number (stably: an order's rows stay as they are); orders stored already are not stored again",
    },
  );

/** A reject with the row's own fault, if it has one, else with the fault of its order. */
const rejectOf = (read: ReadRow, ofOrder: string): SourceItem => {
  const { row, text } = read;
  return { reject: { row, reason: "reason" in read ? read.reason : ofOrder, text } };
};

function wholeOrder({ rows, wrongRow }: Begun): SourceItem[] {
  const { order, misfit } = wrongRow === undefined ? joinRows(rows) : { order: undefined, misfit: undefined };
  const fault = order && !misfit ? findEventFault(order) : undefined;
  const [first] = rows;
  if (order && first && !misfit && fault === undefined) return [{ order, row: first.row }];
  const why = `another row of this order is wrong: line ${wrongRow ?? misfit?.row}`;
  return rows.map((held) => {
    if (held === misfit?.held) return rejectOf(held, misfit.reason);
    return rejectOf(held, fault ?? why);
  });
}

function orderOfGoodRows(rows: readonly ReadRow[]): SourceItem[] {
  const rejects: SourceItem[] = [];
  let good = rows;
  for (;;) {
    const { order, misfit } = joinRows(good);
    if (!order) return rejects;
    if (misfit) {
      rejects.push(rejectOf(misfit.held, misfit.reason));
      good = good.filter((held) => held !== misfit.held);
      continue;
    }
    const fault = findEventFault(order);
    if (fault !== undefined) return [...rejects, ...good.map((held) => rejectOf(held, fault))];
    return [...rejects, { order, row: good[0]?.row ?? 0 }];
  }
}

type Joined = { order: OrderCreated | undefined; misfit?: { held: ReadRow; row: number; reason: string } };

/**
 * Joins rows into one order, up to the first row (`misfit`) whose currency or customer differs from the rows before.
 */
function joinRows(rows: readonly ReadRow[]): Joined {
  let order: OrderCreated | undefined;
  for (const held of rows) {
    if (!("line" in held)) continue;
    try {
      if (order === undefined) order = beginOrder(held.line);
      else extend(order, held.line);
    } catch (thrown) {
      return { order, misfit: { held, row: held.row, reason: reasonOf(thrown) } };
    }
  }
  return { order };
}

const beginOrder = ({ orderId, customerId, currency, date, line }: InvoiceLine): OrderCreated => ({
  kind: "created",
  orderId,
  customerId,
  lines: [line],
  total: { amountMinor: line.quantity * line.unitPriceMinor, currency },
  createdAtUs: typeof date === "number" ? date : null,
});

function extend(order: OrderCreated, { customerId, currency, date, line }: InvoiceLine): void {
  if (currency !== order.total.currency) {
    throw badRow(`currency ${currency} differs from ${order.total.currency} in the rows before`);
  }
  if (customerId !== "" && order.customerId !== "" && customerId !== order.customerId) {
    throw badRow(`customer ${JSON.stringify(customerId.slice(0, 64))} differs from that of the rows before`);
  }
  order.lines.push(line);
  order.total.amountMinor += line.quantity * line.unitPriceMinor;
  order.customerId ||= customerId;
  if (typeof date === "number") order.createdAtUs ??= date;
}

const emptySlot = 0;

/**
 * Counts the rows of each order of a file. A table slot has 12 bytes: a 64-bit hash stands for the order's id, so that,
 * of files with five million orders, about one in a million has two orders counted as one. Hot path: < 0.3 µs a row.
 */
export class OrderTally {
  readonly #limit: number;
  #size = 0;
  #mask = (1 << 16) - 1;
  #high = new Uint32Array(1 << 16);
  #low = new Uint32Array(1 << 16);
  #rows = new Uint32Array(1 << 16);

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Counts one row of an order. Throws `too_large` if that is one order more than the limit. */
  add(orderId: string): void {
    const slot = this.#slotOf(orderId);
    if (this.#rows[slot] === emptySlot) this.#take(slot, orderId);
    else this.#rows[slot] = (this.#rows[slot] ?? 0) + 1;
  }

  rowsOf(orderId: string): number {
    return this.#rows[this.#slotOf(orderId)] ?? 0;
  }

  #take(slot: number, orderId: string): void {
    if (this.#size >= this.#limit) {
      throw new OrderctlError(
        "too_large",
        `a CSV file has at most ${this.#limit.toLocaleString("en")} orders`,
        {
          hint: "split the file between two orders, with the header in each part",
        },
      );
    }
    const [high, low] = hash(orderId);
    this.#high[slot] = high;
    this.#low[slot] = low;
    this.#rows[slot] = 1;
    this.#size += 1;
    if (this.#size * 10 > this.#rows.length * 7) this.#grow();
  }

  #slotOf(orderId: string): number {
    const [high, low] = hash(orderId);
    return this.#find(high, low);
  }

  #find(high: number, low: number): number {
    let slot = low & this.#mask;
    while (this.#rows[slot] !== emptySlot && !(this.#low[slot] === low && this.#high[slot] === high)) {
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }

  #grow(): void {
    const [high, low, rows] = [this.#high, this.#low, this.#rows];
    const capacity = rows.length * 2;
    this.#mask = capacity - 1;
    this.#high = new Uint32Array(capacity);
    this.#low = new Uint32Array(capacity);
    this.#rows = new Uint32Array(capacity);
    for (let at = 0; at < rows.length; at++) {
      const count = rows[at] ?? 0;
      if (count === emptySlot) continue;
      const slot = this.#find(high[at] ?? 0, low[at] ?? 0);
      this.#high[slot] = high[at] ?? 0;
      this.#low[slot] = low[at] ?? 0;
      this.#rows[slot] = count;
    }
  }
}

/** Two different 32-bit hashes: FNV-1a, and a multiplicative one; the bits of both are mixed at the end. */
function hash(text: string): [high: number, low: number] {
  let fnv = 0x811c9dc5;
  let other = 0x9e3779b9 ^ text.length;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    fnv = Math.imul(fnv ^ code, 0x01000193);
    other = Math.imul((other << 13) | (other >>> 19), 5) + Math.imul(code + 1, 0xcc9e2d51);
  }
  other = Math.imul(other ^ (other >>> 16), 0x85ebca6b) ^ (fnv >>> 11);
  fnv = Math.imul(fnv ^ (fnv >>> 15), 0x2c1b3c6d);
  return [(other ^ (other >>> 13)) >>> 0, (fnv ^ (fnv >>> 14)) >>> 0];
}
