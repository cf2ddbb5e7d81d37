import { OrderctlError } from "../../core/errors.ts";
import { operand } from "../../core/foreign-text.ts";
import { findSkuFault } from "../wire/event-fault.ts";

/**
 * The stock of one SKU: one value, changed by compare-and-set. `available + reserved` is every unit ever stocked. An
 * order that took units is a *hold*, keyed by the stream sequence of its payment, until that payment cannot be
 * delivered again.
 */
export type Stock = {
  available: number;
  reserved: number;
  /** Identity of the log that the sequences belong to (the stream's creation time); see `rebase` for another log. */
  log: string;
  /** Every payment up to this sequence is settled: if it has no hold, its reservation is in the log. */
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

/** Takes units for a payment once, however often it is called. Changes `stock` only on the first `held`. */
export function takeUnits(stock: Stock, sequence: number, units: number): TakeResult {
  if (stock.holds.has(sequence)) return "held";
  return sequence <= stock.settledThrough ? "settled" : takeUnanswered(stock, sequence, units);
}

/**
 * As `takeUnits`, for a payment without a reservation in the log: it is not settled, even if its sequence is at or
 * below `settledThrough`.
 */
export function takeUnanswered(stock: Stock, sequence: number, units: number): TakeResult {
  if (stock.holds.has(sequence)) return "held";
  if (stock.available < units) return "short";
  stock.available -= units;
  stock.reserved += units;
  stock.holds.set(sequence, units);
  return "held";
}

/** Ends a hold: the units stay reserved, or become available again if the order ended without them. */
export function endHold(stock: Stock, sequence: number, reserved: boolean): void {
  const units = stock.holds.get(sequence);
  if (units === undefined) return;
  stock.holds.delete(sequence);
  if (reserved) return;
  stock.available += units;
  stock.reserved -= units;
}

/** Forgets holds and sequences of an earlier log; units that they reserved stay reserved. */
export function rebase(stock: Stock, log: string): Stock {
  return stock.log === log ? stock : { ...stock, log, settledThrough: 0, holds: new Map() };
}

export const encodeStock = (stock: Stock): string => JSON.stringify({ ...stock, holds: [...stock.holds] });

/**
 * Decodes a stored entry. If it is not as orderctl writes it, throws `bad_message` with the SKU and the command that
 * repairs it; its `source` is the *store*, because the order that needs the SKU is not to blame.
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
    { hint: command && `\`${command}\` writes it anew`, source: "store", cause },
  );
}

/** The command that writes the entry of `sku`; undefined for a name that is not a valid SKU or cannot be typed. */
export function settable(sku: string): string | undefined {
  const word = findSkuFault(sku) === undefined ? operand(sku) : undefined;
  return word && `orderctl inventory set ${word}=<units>`;
}
