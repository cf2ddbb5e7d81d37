import type { Connection } from "../../jetstream/client/connection.ts";
import type { Bucket } from "../../jetstream/streams/bucket.ts";
import { readBySequence, readLast } from "../../jetstream/streams/read-message.ts";
import { readAckFloor } from "../../jetstream/streams/topology.ts";
import type { OrderEvent } from "../events.ts";
import type { ConsumerName } from "../flow.ts";
import { ordersStream, parseSubject, subjectOf } from "../subjects.ts";
import { decodeEvent } from "../wire/codec.ts";
import { decodeStock, encodeStock } from "./stock.ts";
import type { StockStore } from "./stock-shelf.ts";

export const inventoryBucket = "INVENTORY";

/** Whose acknowledgements settle what is held. */
export const inventoryConsumer: ConsumerName = "inventory-reserver";

/** Keeps stock in the inventory bucket and answers the shelf's questions from the log. */
export function createStockStore(connection: Connection, bucket: Bucket): StockStore {
  return {
    async read(sku) {
      const entry = await bucket.read(sku);
      if (!entry) return undefined;
      // `nats kv del` leaves an empty value.
      const stock = entry.value === "" ? undefined : decodeStock(sku, entry.value);
      return { stock, revision: entry.revision };
    },
    write: (sku, { stock, revision }) => bucket.write({ key: sku, value: encodeStock(stock), revision }),
    ackFloor: () => readAckFloor(connection, ordersStream, inventoryConsumer),
    wasReserved: (sequence) => readReserved(connection, sequence),
  };
}

/** Whether the order of the payment at `sequence` has its stock; undefined while the log has no answer that can be read. */
export async function readReserved(connection: Connection, sequence: number): Promise<boolean | undefined> {
  const payment = await readBySequence(connection, ordersStream, sequence);
  const orderId = payment && parseSubject(payment.subject)?.orderId;
  if (!orderId) return undefined;
  const subject = subjectOf("reservations", orderId);
  const stored = await readLast(connection, ordersStream, subject);
  // One that is older than its payment was made up.
  const event = stored && stored.sequence > sequence ? readable(subject, stored.payload) : undefined;
  return event?.kind === "reservations" ? event.status === "RESERVED" : undefined;
}

/** Another order's event that cannot be read is no reason to give up the one at hand. */
function readable(subject: string, payload: Uint8Array): OrderEvent | undefined {
  try {
    return decodeEvent(subject, payload);
  } catch {
    return undefined;
  }
}
