import { expect, it, onTestFinished } from "vitest";
import { SegmentedLog } from "../../src/archive/segmented-log.ts";
import { processRedriven, type RedriveMark } from "../../src/flow/dead-letters-rule.ts";
import type { Delivery } from "../../src/jetstream/consume/delivery.ts";
import { redriveHeader } from "../../src/jetstream/dead-letters/dead-letter.ts";
import { readLast } from "../../src/jetstream/streams/read-message.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import { orderShape } from "../../src/orders/flow.ts";
import { ordersStream, subjectOf } from "../../src/orders/subjects.ts";
import { encodeEvent } from "../../src/orders/wire/codec.ts";
import { archiveFolder, archiveLog } from "../support/archive-log.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { approved, created } from "../support/handler-context.ts";
import { openLogWriter } from "../support/log-writer.ts";
import { orderLog } from "../support/order-log.ts";

const [payment] = orderShape.subscriptionsOf("payment");

/**
 * Redrives the first event of an order of which all is archived. Bytes are stored in the place of its payment. Returns
 * what was worked on, and the answer for the worker.
 */
async function redriveArchived(...events: (OrderEvent | Uint8Array)[]) {
  const { connection } = await brokerOfTest();
  const writer = await openLogWriter(connection);
  onTestFinished(() => writer.close());
  for (const event of events) {
    if ("kind" in event) await writer.store(event);
    else await connection.nats.jetstream().publish(subjectOf("payments", created.orderId), event);
  }
  await archiveLog(connection, await archiveFolder());
  // The stream would take another payment, as it does once all is purged.
  await connection.jsm.streams.purge(ordersStream, { filter: subjectOf("payments", created.orderId) });
  const log = { ...orderLog(connection), archive: new SegmentedLog(connection, orderShape, process.env) };
  const subject = subjectOf("created", created.orderId);
  const stored = await readLast(connection, ordersStream, subject);
  if (!stored || !payment) throw new Error("there is no such event");
  const { sequence, storedAtUs, payload } = stored;
  const origin = { stream: ordersStream, subject, sequence, storedAtUs };
  const mark: RedriveMark = { deadLetter: 1, deadAtUs: 1, by: "somebody", atUs: 1, origin };
  const delivery: Delivery = {
    watch: undefined,
    subject: "REDRIVES.payment-processor.1-1.1",
    payload,
    sequence: 1,
    attempt: 1,
    storedAtUs: 1,
    header: (name) => (name === redriveHeader ? JSON.stringify(mark) : undefined),
  };
  const worked: number[] = [];
  const redriven = processRedriven(log, payment, async (original) => void worked.push(original.sequence));
  const answer = await redriven(delivery, new AbortController().signal);
  return { worked, answer };
}

it("works on an archived event that led to nothing yet", async () => {
  expect(await redriveArchived(created)).toEqual({ worked: [1], answer: undefined });
});

it("works on no archived event whose outcome is archived, which the stream would take a second time", async () => {
  const answer = { sequence: 2, duplicate: true };
  expect(await redriveArchived(created, approved)).toEqual({ worked: [], answer });
});

it("takes no outcome for its own that is older than the event", async () => {
  expect(await redriveArchived(approved, created)).toEqual({ worked: [2], answer: undefined });
});

it("takes nothing for an outcome that is none", async () => {
  const other = { ...approved, orderId: "another" };
  const payload = Buffer.from(encodeEvent(other));
  expect(await redriveArchived(created, payload)).toEqual({ worked: [1], answer: undefined });
});
