import { beforeEach, expect, it, onTestFinished } from "vitest";
import { OrderctlError } from "../../../src/core/errors.ts";
import { readStreamIdentity } from "../../../src/jetstream/streams/apply-topology.ts";
import { paymentReader } from "../../../src/orders/payment-reader.ts";
import { readStock } from "../../../src/orders/stock/read-stock.ts";
import { setStock } from "../../../src/orders/stock/set-stock.ts";
import { createStock, encodeStock, takeUnits } from "../../../src/orders/stock/stock.ts";
import { readReserved } from "../../../src/orders/stock/stock-store.ts";
import { brokerOfTest } from "../../support/broker-of-test.ts";
import { type LogWriter, openLogWriter } from "../../support/log-writer.ts";
import { MemoryArchive } from "../../support/memory-archive.ts";
import { event, ways } from "../order-log.ts";

let archive: MemoryArchive;
let writer: LogWriter;

beforeEach(async () => {
  const { connection } = await brokerOfTest();
  writer = await openLogWriter(connection);
  onTestFinished(() => writer.close());
  archive = new MemoryArchive(connection);
});

const prune = () => {
  archive.readBySequence = async () => {
    throw new OrderctlError("not_found", "messages 1 to 5 were archived and pruned", { source: "store" });
  };
};

it.each([
  0, 2, 3, 5,
])("knows how a hold ended of which %d of the order's events are archived", async (movedTo) => {
  await writer.store(...ways.SHIPPED("o-1"), ...ways.REFUNDED("o-2"));
  if (movedTo > 0) await archive.moveAndPurge(movedTo);
  expect(await readReserved(archive.log, 2)).toBe(true);
  await archive.moveAndPurge(movedTo + 5);
  expect(await readReserved(archive.log, 7)).toBe(false);
  expect(await readReserved(archive.log, 1000)).toBeUndefined();
});

it("takes no reservation for an answer that is older than the payment, or a repeat of one", async () => {
  await writer.store(event("reservations", "o-1", { status: "OUT_OF_STOCK" }));
  await writer.store(event("created", "o-1"), event("payments", "o-1"));
  await archive.moveAndPurge(1);
  expect(await readReserved(archive.log, 3)).toBeUndefined();
  await writer.store(event("reservations", "o-1"));
  expect(await readReserved(archive.log, 3)).toBe(true);
  await archive.moveAndPurge(4);
  await writer.store(event("reservations", "o-1", { status: "OUT_OF_STOCK" }));
  expect(await readReserved(archive.log, 3)).toBe(true);
});

it("waits where the archive cannot tell how a hold ended, and keeps the units of one that was pruned", async () => {
  await writer.store(...ways.REFUNDED("o-1"));
  await archive.moveAndPurge(5);
  archive.isAway = true;
  await expect(readReserved(archive.log, 2)).rejects.toMatchObject({ code: "unavailable", source: "store" });
  prune();
  expect(await readReserved(archive.log, 2)).toBe(true);
});

it("shows units as given back once the archive says so, and shows nothing where it cannot be read", async () => {
  const { connection } = archive.log;
  await writer.store(...ways.REFUNDED("o-1"));
  const log = await readStreamIdentity(connection, "ORDERS");
  const stock = createStock(10, log);
  takeUnits(stock, 2, 4);
  const js = connection.nats.jetstream();
  await js.publish("$KV.INVENTORY.MUG-3", encodeStock(stock));
  const messages = await (await js.consumers.get("ORDERS", "inventory-reserver")).fetch({ max_messages: 1 });
  for await (const message of messages) await message.ackAck();
  await archive.moveAndPurge(5);
  const level = { sku: "MUG-3", available: 10, reserved: 0, held: 0, error: null };
  expect(await readStock(archive.log)).toEqual([level]);
  archive.isAway = true;
  await expect(readStock(archive.log)).rejects.toMatchObject({ code: "unavailable" });
});

it("counts archived reservations for an entry that is made anew, also those that can no longer be read", async () => {
  const { connection } = archive.log;
  await writer.store(...ways.SHIPPED("o-1"), ...ways.REFUNDED("o-2"), ...ways.SHIPPED("o-3"));
  await archive.moveAndPurge(10);
  archive.isAway = true;
  await connection.nats.jetstream().publish("$KV.INVENTORY.MUG-3", "torn");
  const levels = await setStock(archive.log, new Map([["MUG-3", 50]]));
  expect(levels).toMatchObject([{ sku: "MUG-3", available: 50, reserved: 4 }]);
  expect(archive.reads).toEqual([]);
});

it("refunds what the archived payment says, the first one of two, and waits where that cannot be read", async () => {
  const read = paymentReader(archive.log);
  expect(await read("o-1")).toBeUndefined();
  await writer.store(event("created", "o-1"), event("payments", "o-1", { chargeId: "first" }));
  expect(await read("o-1")).toMatchObject({ chargeId: "first" });
  await archive.moveAndPurge(2);
  expect(await read("o-1")).toMatchObject({ chargeId: "first" });
  await writer.store(event("payments", "o-1", { chargeId: "second" }));
  expect(await read("o-1")).toMatchObject({ chargeId: "first" });
  archive.isAway = true;
  await expect(read("o-1")).rejects.toMatchObject({ code: "unavailable", source: "store" });
});
