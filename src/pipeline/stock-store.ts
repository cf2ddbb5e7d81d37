import type { Bucket } from "../jetstream/bucket.ts";
import type { Connection } from "../jetstream/connection.ts";
import { readBySequence, readLast } from "../jetstream/read-message.ts";
import { readAckFloor } from "../jetstream/topology.ts";
import { decodeEvent } from "../orders/codec.ts";
import { decodeStock, encodeStock } from "../orders/stock.ts";
import { ordersStream, parseSubject, subjectOf } from "../orders/subjects.ts";
import type { StockStore } from "../services/stock-shelf.ts";

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
    ackFloor: () => readAckFloor(connection, ordersStream, "inventory-reserver"),
    async wasReserved(sequence) {
      const payment = await readBySequence(connection, ordersStream, sequence);
      const orderId = payment && parseSubject(payment.subject)?.orderId;
      if (!orderId) return undefined;
      const subject = subjectOf("reservations", orderId);
      const stored = await readLast(connection, ordersStream, subject);
      const event = stored && decodeEvent(subject, stored.payload);
      return event?.kind === "reservations" ? event.status === "RESERVED" : undefined;
    },
  };
}
