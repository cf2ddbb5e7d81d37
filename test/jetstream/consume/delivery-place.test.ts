import { expect, it } from "vitest";
import { isAckOf, readDeliveryPlace } from "../../../src/jetstream/consume/delivery.ts";

const placeIn = (reply: string) => readDeliveryPlace(Buffer.from(reply));
const numbers = "2.1048577.31.1790000000123456999.7";
const place = {
  attempt: 2,
  sequence: 1_048_577,
  deliverySequence: 31,
  storedAtUs: 1_790_000_000_123_456,
  pending: 7,
};

it.each([
  ["stream and consumer", `$JS.ACK.ORDERS.payment-processor.${numbers}`],
  ["names that look like numbers", `$JS.ACK.2.1048577.${numbers}`],
  ["domain and account", `$JS.ACK.hub.ABCDEF.ORDERS.payment-processor.${numbers}`],
  ["domain, account and a random end", `$JS.ACK._.ABCDEF.ORDERS.payment-processor.${numbers}.x7`],
])("reads the numbers behind %s", (_, reply) => {
  expect(placeIn(reply)).toEqual(place);
});

it("cuts the time to µs; read as a double it was rounded, here up to the next one", () => {
  const reply = (ns: string) => `$JS.ACK.A.b.1.1.1.${ns}.0`;
  expect(Math.floor(Number("1790000000123456999") / 1000)).toBe(1_790_000_000_123_457);
  expect(placeIn(reply("1790000000123456999")).storedAtUs).toBe(1_790_000_000_123_456);
  expect(placeIn(reply("1790000000123457000")).storedAtUs).toBe(1_790_000_000_123_457);
});

it.each([
  "",
  "_INBOX.a.b",
  "$JS.ACK.A.b.1.2.3.4",
  "$JS.ACK.hub.ABCDEF.A.b.1.2.3.4",
])("refuses %j, which is no delivery's", (reply) => {
  expect(() => placeIn(reply)).toThrow("not the reply subject of a delivery");
});

const ofPayments = (reply: string) => isAckOf(Buffer.from(reply), Buffer.from("ORDERS.payment-processor."));

it.each([
  `$JS.ACK.ORDERS.payment-processor.${numbers}`,
  `$JS.ACK.hub.ABCDEF.ORDERS.payment-processor.${numbers}`,
  `$JS.ACK._.ABCDEF.ORDERS.payment-processor.${numbers}.x7`,
])("takes %s for a delivery of the consumer", (reply) => {
  expect(ofPayments(reply)).toBe(true);
});

it.each([
  "",
  "$JS.ACK.",
  "$JS.ACK.ORDERS.payment-processor",
  `$JS.ACK.ORDERS.payment-refunder.${numbers}`,
  `$JS.ACK.REDRIVES.payment-processor.${numbers}`,
  `$JS.ACK.x.ORDERS.payment-processor.${numbers}`,
  "$JS.API.STREAM.PURGE.ORDERS",
  `ORDERS.payments.ORDERS.payment-processor.${numbers}`,
])("does not take %j for one", (reply) => {
  expect(ofPayments(reply)).toBe(false);
});
