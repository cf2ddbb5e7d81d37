import { hintText } from "../../cli/hints.ts";
import { OrderctlError } from "../../core/errors.ts";
import type { FlowLog } from "../../flow/flow.ts";
import type { Connection } from "../../jetstream/client/connection.ts";
import { Publisher } from "../../jetstream/publish/publisher.ts";
import { Bucket, encodeKey } from "../../jetstream/streams/bucket.ts";
import { createSettler } from "./settle-stock.ts";
import { decodeStock, type Stock, settable } from "./stock.ts";
import { inventoryBucket } from "./stock-store.ts";

/** An entry of the inventory bucket; `stock.error` is the reason why it cannot be read. */
export type StockEntry = { sku: string; revision: number; stock: Stock | { error: string } };

/** Every SKU that was ever stocked, as it is stored; undefined if there is no inventory bucket. Changes nothing. */
export async function readStockEntries(connection: Connection): Promise<StockEntry[] | undefined> {
  const publisher = new Publisher(connection);
  try {
    const entries = await new Bucket(connection, publisher, inventoryBucket).list();
    return entries.map(({ key: sku, value, revision, isForeign }) => ({
      sku,
      revision,
      stock: isForeign ? { error: foreignKey(sku) } : decoded(sku, value),
    }));
  } catch (thrown) {
    if (thrown instanceof OrderctlError && thrown.code === "not_found") return undefined;
    throw thrown;
  } finally {
    publisher.close();
  }
}

function decoded(sku: string, value: string): StockEntry["stock"] {
  try {
    return decodeStock(sku, value);
  } catch (thrown) {
    const { message, hint } = OrderctlError.from(thrown);
    return { error: hint === undefined ? message : `${message}: ${hintText(hint)}` };
  }
}

function foreignKey(key: string): string {
  const told = `no service reads the key ${key}: the stock of such a SKU is kept under ${encodeKey(key)}`;
  const command = settable(key);
  return command === undefined ? told : `${told}; \`${command}\` writes it there and removes this one`;
}

/** The stock of every SKU, with the holds ended that are settled by now; empty if there is no inventory bucket. */
export async function readStock(log: FlowLog): Promise<StockLevel[]> {
  const entries = (await readStockEntries(log.connection)) ?? [];
  // Created after the entries were read, so that it knows every settlement that is older than they are.
  const settle = await createSettler(log);
  const levels = entries.map(async ({ sku, stock }) =>
    "error" in stock ? unreadableLevel(sku, stock.error) : stockLevel(sku, await settle(stock)),
  );
  return (await Promise.all(levels)).sort(bySku);
}

/**
 * Units of a SKU: `available` on the shelf, `reserved` by orders and, of those, `held` by orders that are not settled
 * yet and may give them back. `null`, with the reason in `error`, if the entry cannot be read.
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

/** Compares the characters of the SKUs, so that the order does not depend on the locale. */
export const bySku = (a: StockLevel, b: StockLevel): number => (a.sku < b.sku ? -1 : 1);
