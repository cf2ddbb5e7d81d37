import type { Stock } from "../orders/stock.ts";

/**
 * Units of a SKU: on the shelf, taken by orders, and, of those taken, the ones whose order is not settled yet and
 * may still give them back.
 */
export type StockLevel = { sku: string; available: number; reserved: number; held: number };

export function stockLevel(sku: string, { available, reserved, holds }: Stock): StockLevel {
  const held = [...holds.values()].reduce((sum, units) => sum + units, 0);
  return { sku, available, reserved, held };
}

/** By SKU, in the order of its characters, so that it is the same everywhere. */
export const bySku = (a: StockLevel, b: StockLevel): number => (a.sku < b.sku ? -1 : 1);
