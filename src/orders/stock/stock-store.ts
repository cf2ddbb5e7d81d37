import { isPruned } from "../../flow/archived-log.ts";
import type { FlowLog } from "../../flow/flow.ts";
import { readMessage, readMessages } from "../../flow/log-message.ts";
import { readAckFloor } from "../../jetstream/streams/apply-topology.ts";
import type { Bucket } from "../../jetstream/streams/bucket.ts";
import type { OrderEvent } from "../events.ts";
import type { ConsumerName } from "../flow.ts";
import { ordersStream, parseSubject } from "../subjects.ts";
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
 * reservation of it. True for a payment that was pruned from the archive, as nobody can tell any more: its units stay
 * taken. Rejects with `unavailable` when the archive cannot be read.
 */
export async function readReserved(log: FlowLog, sequence: number): Promise<boolean | undefined> {
  try {
    return await findReserved(log, sequence);
  } catch (thrown) {
    if (isPruned(thrown)) return true;
    throw thrown;
  }
}

async function findReserved(log: FlowLog, sequence: number): Promise<boolean | undefined> {
  const payment = await readMessage(log, sequence);
  const orderId = payment && parseSubject(payment.subject)?.orderId;
  if (!orderId) return undefined;
  // A reservation that is older than its payment was not stored by inventory.
  const later = (await readMessages(log, "reservations", orderId)).filter((each) => each.sequence > sequence);
  const events = later.flatMap(({ subject, payload }) => readable(subject, payload) ?? []);
  const event = events.find(({ kind }) => kind === "reservations");
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
