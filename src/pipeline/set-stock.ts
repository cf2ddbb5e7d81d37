import { Bucket, type BucketEntry } from "../jetstream/bucket.ts";
import type { Connection } from "../jetstream/connection.ts";
import { Publisher } from "../jetstream/publisher.ts";
import { applyTopology, readStreamIdentity } from "../jetstream/topology.ts";
import { createStock, decodeStock, encodeStock, type Stock } from "../orders/stock.ts";
import { ordersStream } from "../orders/subjects.ts";
import { bySku, type StockLevel, stockLevel } from "./stock-level.ts";
import { inventoryBucket, orderTopology } from "./topology.ts";

/**
 * Sets the units of each SKU that are on the shelf; what orders have taken stays as it is. Each SKU is changed by
 * compare-and-set, so that an inventory service at work is not disturbed; there is nothing atomic about several.
 * Creates what is missing of the topology.
 */
export async function setStock(
  connection: Connection,
  unitsBySku: ReadonlyMap<string, number>,
): Promise<StockLevel[]> {
  await applyTopology(connection, orderTopology());
  const log = await readStreamIdentity(connection, ordersStream);
  const publisher = new Publisher(connection);
  const bucket = new Bucket(connection, publisher, inventoryBucket);
  try {
    const setting = [...unitsBySku].map(([sku, units]) => setUnits(bucket, sku, createStock(units, log)));
    return (await Promise.all(setting)).sort(bySku);
  } finally {
    publisher.close();
  }
}

/** `fresh` is what is written where the SKU was never stocked. */
async function setUnits(bucket: Bucket, sku: string, fresh: Stock): Promise<StockLevel> {
  for (;;) {
    const entry = await bucket.read(sku);
    const stock = isStocked(entry) ? { ...decodeStock(sku, entry.value), available: fresh.available } : fresh;
    const value = encodeStock(stock);
    const revision = await bucket.write({ key: sku, value, revision: entry?.revision ?? 0 });
    if (revision !== undefined) return stockLevel(sku, stock);
  }
}

/** False also for the empty entry that `nats kv del` leaves behind. */
const isStocked = (entry: BucketEntry | undefined): entry is BucketEntry =>
  entry !== undefined && entry.value !== "";
