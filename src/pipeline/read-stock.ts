import { OrderctlError } from "../errors.ts";
import { Bucket } from "../jetstream/bucket.ts";
import type { Connection } from "../jetstream/connection.ts";
import { Publisher } from "../jetstream/publisher.ts";
import { decodeStock } from "../orders/stock.ts";
import { bySku, type StockLevel, stockLevel } from "./stock-level.ts";
import { inventoryBucket } from "./topology.ts";

/** What there is of every SKU that was ever stocked; nothing where no inventory was ever kept. Changes nothing. */
export async function readStock(connection: Connection): Promise<StockLevel[]> {
  const publisher = new Publisher(connection);
  try {
    const entries = await new Bucket(connection, publisher, inventoryBucket).list();
    return entries.map(({ key, value }) => stockLevel(key, decodeStock(key, value))).sort(bySku);
  } catch (thrown) {
    if (thrown instanceof OrderctlError && thrown.code === "not_found") return [];
    throw thrown;
  } finally {
    publisher.close();
  }
}
