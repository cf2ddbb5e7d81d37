import type { FlowLog } from "../../flow/flow.ts";
import { readEvent, readMessage } from "../../flow/key-log.ts";
import { readAckFloor } from "../../jetstream/streams/apply-topology.ts";
import type { Bucket } from "../../jetstream/streams/bucket.ts";
import type { OrderEvent } from "../events.ts";
import type { ConsumerName } from "../flow.ts";
import { ordersStream, parseSubject, subjectOf } from "../subjects.ts";
import { decodeEvent } from "../wire/codec.ts";
import { decodeStock, encodeStock } from "./stock.ts";
import type { StockStore } from "./stock-shelf.ts";

export const inventoryBucket = "INVENTORY";

/** The consumer whose ack floor tells which holds are settled. */
export const inventoryConsumer: ConsumerName = "inventory-reserver";

/** Keeps stock in the inventory bucket, and answers `SettledHolds`' questions about payments from the log. */
export function createStockStore(log: FlowLog, bucket: Bucket): StockStore {
  return {
    async read(sku) {
      const entry = await bucket.read(sku);
      if (!entry) return undefined;
      // `nats kv del` leaves an empty value.
      const stock = entry.value === "" ? undefined : decodeStock(sku, entry.value);
      return { stock, revision: entry.revision };
    },
    write: (sku, { stock, revision }) => bucket.write({ key: sku, value: encodeStock(stock), revision }),
    ackFloor: () => readAckFloor(log.connection, ordersStream, inventoryConsumer),
    wasReserved: (sequence) => readReserved(log, sequence),
  };
}

/**
 * Whether the order of the payment at `sequence` is RESERVED in the log; undefined if the log has no readable
 * reservation of it.
 */
export async function readReserved(log: FlowLog, sequence: number): Promise<boolean | undefined> {
  const payment = await readMessage(log, sequence);
  const orderId = payment && parseSubject(payment.subject)?.orderId;
  if (!orderId) return undefined;
  const subject = subjectOf("reservations", orderId);
  const stored = await readEvent(log, subject);
  // A reservation that is older than its payment was not stored by inventory.
  const event = stored && stored.sequence > sequence ? readable(subject, stored.payload) : undefined;
  return event?.kind === "reservations" ? event.status === "RESERVED" : undefined;
}

/** `undefined` for an event that cannot be decoded: another order's bad message must not fail the order at hand. */
function readable(subject: string, payload: Uint8Array): OrderEvent | undefined {
  try {
    return decodeEvent(subject, payload);
  } catch {
    return undefined;
  }
}
