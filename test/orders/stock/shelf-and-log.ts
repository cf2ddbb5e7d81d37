import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { Publisher } from "../../../src/jetstream/publish/publisher.ts";
import { Bucket } from "../../../src/jetstream/streams/bucket.ts";
import { decodeStock, type Stock } from "../../../src/orders/stock/stock.ts";
import { eventsOf, type Logged } from "../../support/read-log.ts";

/** The stock of every SKU. */
export async function readShelf(connection: Connection): Promise<Map<string, Stock>> {
  const publisher = new Publisher(connection);
  const entries = await new Bucket(connection, publisher, "INVENTORY").list();
  publisher.close();
  return new Map(entries.map(({ key, value }) => [key, decodeStock(key, value)]));
}

/** Units of each SKU in the orders that were told that they are reserved. */
export function reservedUnits(log: readonly Logged[]): Map<string, number> {
  const units = new Map<string, number>();
  for (const { status, lines } of eventsOf(log, "reservations")) {
    if (status !== "RESERVED") continue;
    for (const { sku, quantity } of lines) units.set(sku, (units.get(sku) ?? 0) + quantity);
  }
  return units;
}

/** Units that are held for orders which ended without them, until somebody touches the SKU again. */
export function unitsToGiveBack(log: readonly Logged[], { holds }: Stock): number {
  const orderAt = new Map(log.map(({ sequence, event }) => [sequence, event.orderId]));
  const refunded = new Set(eventsOf(log, "refunds").map(({ orderId }) => orderId));
  return [...holds]
    .filter(([sequence]) => refunded.has(orderAt.get(sequence) ?? ""))
    .reduce((sum, [, units]) => sum + units, 0);
}
