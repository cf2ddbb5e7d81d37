import { afterEach, beforeEach, expect, it } from "vitest";
import type { RunningServices } from "../../src/flow/run-services.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import {
  type DeadLetterMark,
  deadLetterHeader,
  redriveHeader,
} from "../../src/jetstream/dead-letters/dead-letter.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { readLast } from "../../src/jetstream/streams/read-message.ts";
import { eventKinds, type OrderEvent } from "../../src/orders/events.ts";
import type { PaymentGateway, RefundRequest } from "../../src/orders/gateway/gateway.ts";
import { subjectOf } from "../../src/orders/subjects.ts";
import { encodeEvent } from "../../src/orders/wire/codec.ts";
import { approved, created, outOfStock, reserved } from "../support/handler-context.ts";
import { type LogWriter, openLogWriter } from "../support/log-writer.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { runCommand } from "../support/run-command.ts";
import { startServices } from "../support/start-services.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

let broker: TestBroker;
let connection: Connection;
let log: LogWriter;
let services: RunningServices;
let publisher: Publisher;
const refunds: RefundRequest[] = [];

const gateway: PaymentGateway = {
  charge: async ({ orderId }) => ({ status: "APPROVED", chargeId: `ch_${orderId}` }),
  async refund(request) {
    refunds.push(request);
    return { refundId: "re_1" };
  },
};

beforeEach(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  log = await openLogWriter(connection);
  publisher = new Publisher(connection);
  refunds.length = 0;
});

afterEach(async () => {
  await services?.stop(2000);
  publisher.close();
  log.close();
  await connection.close();
  await broker.stop();
});

type Forgery = { service: string; consumer: string; event: OrderEvent; subject?: string; sequence?: number };

/** What somebody who may store a service's dead letters could write. */
async function forge({ service, consumer, event, subject, sequence = 1 }: Forgery): Promise<void> {
  const origin = {
    stream: "ORDERS",
    subject: subject ?? subjectOf(event.kind, event.orderId),
    sequence,
    storedAtUs: 1,
  };
  const mark: DeadLetterMark = {
    delivery: "1",
    reason: "timeout",
    detail: "no answer",
    attempts: 1,
    origin,
    consumer,
    service,
    instance: "vm-1",
    atUs: 1,
    redriveOf: null,
    omittedBytes: null,
  };
  await publisher.publish({
    subject: `DEAD_LETTERS.${service}.${event.orderId}`,
    payload: encodeEvent(event),
    headers: { [deadLetterHeader]: JSON.stringify(mark) },
  });
}

const victim = { ...created, orderId: "victim" };
const redrive = () => runCommand(`dlq redrive --all --json --server ${broker.url}`);

it.each<[string, Forgery]>([
  [
    "names a consumer with commands in it",
    {
      service: "payment",
      consumer: "payment-processor.1\r\nPUB $JS.API.STREAM.DELETE.ORDERS 0\r\n\r\nPUB x",
      event: victim,
    },
  ],
  [
    "names a consumer with a blank in it",
    { service: "payment", consumer: "payment processor", event: victim },
  ],
  [
    "names another service's consumer",
    { service: "notification", consumer: "payment-processor", event: victim },
  ],
  [
    "names a consumer that is part of every object",
    { service: "constructor", consumer: "name", event: victim },
  ],
  [
    "has a payload that the log does not hold",
    { service: "payment", consumer: "payment-processor", event: { ...victim, customerId: "another" } },
  ],
  [
    "points to an event of another kind",
    { service: "shipping", consumer: "shipping-booker", event: { ...reserved, orderId: "victim" } },
  ],
  [
    "names a subject with line breaks",
    { service: "payment", consumer: "payment-processor", event: victim, subject: "ORDERS.created.x\r\nPING" },
  ],
])("a dead letter that %s is not redriven, and the rest is", async (_, forgery) => {
  await log.store(victim);
  await forge(forgery);
  await forge({ service: "payment", consumer: "payment-processor", event: victim });
  const { exitCode, stderr, lines } = await redrive();
  expect(stderr).toBe("");
  expect(exitCode).toBe(1);
  const { data } = lines()[0] ?? {};
  expect(data).toMatchObject({
    forged: [1],
    redriven: [{ sequence: 2 }],
    left: [{ letter: { sequence: 1 } }],
  });
  const { state } = await connection.jsm.streams.info("REDRIVES");
  expect(state.messages).toBe(1);
  expect((await connection.jsm.streams.info("ORDERS")).state.messages).toBe(1);
});

it.each([
  [99, "ORDERS holds no event 99, of which it is a copy"],
  [0, "ORDERS holds no event 0, of which it is a copy"],
  [-1, "it cannot be read as a dead letter, so nobody knows whom to give it to"],
])("a dead letter of event %i, which the log does not hold, is left alone", async (sequence, why) => {
  await log.store(victim);
  await forge({ service: "payment", consumer: "payment-processor", event: victim, sequence });
  const { exitCode, lines } = await redrive();
  expect(exitCode).toBe(0);
  expect(lines()[0]?.data).toMatchObject({ redriven: [], forged: [], left: [{ why }] });
});

it("says which dead letters are not what they say, and why", async () => {
  await log.store(victim);
  await forge({ service: "notification", consumer: "payment-processor", event: victim });
  const { stdout, exitCode } = await runCommand(`dlq redrive 1 --server ${broker.url}`);
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(/^0 dead letters redriven\nnot what they say.*: 1\n/);
  expect(stdout).toContain('"payment-processor", which it names, is no consumer of notification');
});

/** As one who may store redrives could write, without a dead letter. */
const pretend = (consumer: string, event: OrderEvent, sequence: number) =>
  publisher.publish({
    subject: `REDRIVES.${consumer}.1-1.1`,
    payload: encodeEvent(event),
    headers: {
      [redriveHeader]: JSON.stringify({
        deadLetter: 1,
        deadAtUs: 1,
        by: "me",
        atUs: 1,
        origin: { stream: "ORDERS", subject: subjectOf(event.kind, event.orderId), sequence, storedAtUs: 1 },
      }),
    },
  });

const stored = async (orderId: string) => {
  const found = await Promise.all(
    eventKinds.map((kind) => readLast(connection, "ORDERS", subjectOf(kind, orderId))),
  );
  return found.flatMap((message) => (message ? [message.subject] : []));
};

it.each([
  ["ships nothing", "shipping-booker", { ...reserved, orderId: "ghost" }],
  ["charges nothing", "payment-processor", { ...created, orderId: "ghost" }],
  ["pays nothing back", "payment-refunder", { ...outOfStock, orderId: "ghost" }],
  ["reserves nothing", "inventory-reserver", { ...approved, orderId: "ghost" }],
] as const)("a redrive of what the log does not hold %s", async (_, consumer, event) => {
  services = await startServices(connection, undefined, { gateway });
  await pretend(consumer, event, 1);
  await until(async () => (await connection.jsm.streams.info("DEAD_LETTERS")).state.messages === 1);
  const { stdout } = await runCommand(`dlq show 1 --server ${broker.url}`);
  expect(stdout).toContain("not worked on once more: ORDERS holds no event");
  expect(await stored("ghost")).toEqual([]);
  expect(refunds).toEqual([]);
});
