import type { Stock } from "./stock.ts";

/**
 * Units of a SKU: on the shelf, taken by orders, and, of those taken, the ones whose order is not settled yet and
 * may still give them back. `null`, with the reason in `error`, where its entry cannot be read.
 */
export type StockLevel = { sku: string } & (
  | { available: number; reserved: number; held: number; error: null }
  | { available: null; reserved: null; held: null; error: string }
);

export function stockLevel(sku: string, { available, reserved, holds }: Stock): StockLevel {
  const held = [...holds.values()].reduce((sum, units) => sum + units, 0);
  return { sku, available, reserved, held, error: null };
}

export const unreadableLevel = (sku: string, error: string): StockLevel => ({
  sku,
  available: null,
  reserved: null,
  held: null,
  error,
});

/** By SKU, in the order of its characters, so that it is the same everywhere. */
export const bySku = (a: StockLevel, b: StockLevel): number => (a.sku < b.sku ? -1 : 1);
