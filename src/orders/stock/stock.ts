import { OrderctlError } from "../../core/errors.ts";
import { operand } from "../../core/foreign-text.ts";
import { findSkuFault } from "../wire/event-fault.ts";

/**
 * What is known of one SKU, as one value that is changed by compare-and-set. `available + reserved` is every
 * unit ever stocked. An order that took units is a *hold*, named by the stream sequence of its payment, until
 * no delivery of that payment can come again.
 */
export type Stock = {
  available: number;
  reserved: number;
  /** Which log the sequences belong to (the stream's creation time); another log starts afresh. */
  log: string;
  /** Every payment up to this sequence is settled: what is no hold then has its answer in the log. */
  settledThrough: number;
  /** Sequence of the payment → units held. */
  holds: Map<number, number>;
};

export type TakeResult = "held" | "short" | "settled";

export const createStock = (available: number, log: string): Stock => ({
  available,
  reserved: 0,
  log,
  settledThrough: 0,
  holds: new Map(),
});

/** Takes units for a payment: once, however often it is asked. Changes `stock` only on the first `held`. */
export function takeUnits(stock: Stock, sequence: number, units: number): TakeResult {
  if (stock.holds.has(sequence)) return "held";
  return sequence <= stock.settledThrough ? "settled" : takeUnanswered(stock, sequence, units);
}

/** The same for a payment that has no answer in the log: then nothing of it was settled, whatever its sequence says. */
export function takeUnanswered(stock: Stock, sequence: number, units: number): TakeResult {
  if (stock.holds.has(sequence)) return "held";
  if (stock.available < units) return "short";
  stock.available -= units;
  stock.reserved += units;
  stock.holds.set(sequence, units);
  return "held";
}

/** Ends a hold: the units stay reserved, or go back on the shelf where the order ended without them. */
export function endHold(stock: Stock, sequence: number, reserved: boolean): void {
  const units = stock.holds.get(sequence);
  if (units === undefined) return;
  stock.holds.delete(sequence);
  if (reserved) return;
  stock.available += units;
  stock.reserved -= units;
}

/** Forgets holds and sequences of an earlier log; what they reserved stays reserved. */
export function rebase(stock: Stock, log: string): Stock {
  return stock.log === log ? stock : { ...stock, log, settledThrough: 0, holds: new Map() };
}

export const encodeStock = (stock: Stock): string => JSON.stringify({ ...stock, holds: [...stock.holds] });

/**
 * Reads a stored value. Where somebody else wrote it the *store* is at fault, not the order that asks: `bad_message` naming
 * the SKU, with what repairs it.
 */
export function decodeStock(sku: string, text: string): Stock {
  try {
    const value = JSON.parse(text);
    const holds = new Map<number, number>(value.holds);
    const counts = [value.available, value.reserved, value.settledThrough, ...[...holds].flat()];
    if (counts.every(isCount) && typeof value.log === "string") return { ...value, holds };
  } catch (cause) {
    throw unreadable(sku, cause);
  }
  throw unreadable(sku);
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;

function unreadable(sku: string, cause?: unknown): OrderctlError {
  const command = settable(sku);
  return new OrderctlError(
    "bad_message",
    `the stock of ${sku} cannot be read: its entry is not as orderctl writes it`,
    { hint: command && `\`${command}\` writes it anew`, fault: "store", cause },
  );
}

/** The command that writes the entry of `sku`; undefined for what no SKU can be called, or nobody can type. */
export function settable(sku: string): string | undefined {
  const word = findSkuFault(sku) === undefined ? operand(sku) : undefined;
  return word && `orderctl inventory set ${word}=<units>`;
}
