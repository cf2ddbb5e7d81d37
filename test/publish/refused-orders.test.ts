import { expect, it, onTestFinished } from "vitest";
import { readDeadLetters } from "../../src/dead-letters/dead-letters.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { Bucket } from "../../src/jetstream/streams/bucket.ts";
import { answerPost } from "../../src/orders/api/answer-requests.ts";
import { KeyMemory } from "../../src/orders/api/idempotency-key.ts";
import { createSimulatedGateway } from "../../src/orders/gateway/simulated-gateway.ts";
import { inventoryBucket } from "../../src/orders/stock/stock-store.ts";
import { encoders } from "../../src/orders/wire/messages.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { created } from "../support/handler-context.ts";
import { openLogWriter } from "../support/log-writer.ts";
import { orderLog } from "../support/order-log.ts";
import { readLog } from "../support/read-log.ts";
import { startServices } from "../support/start-services.ts";
import { until } from "../support/until.ts";

// It used to be charged a cent, and shipped.
it("charges no order of another program whose total is not what its lines are worth, and says both", async () => {
  const { connection } = await brokerOfTest();
  const log = await openLogWriter(connection);
  onTestFinished(() => log.close());
  const gateway = createSimulatedGateway({ seed: 1, declineShare: 0, latencyMs: 0 });
  const charged: string[] = [];
  const services = await startServices(connection, undefined, {
    gateway: {
      ...gateway,
      charge: (request) => {
        charged.push(request.orderId);
        return gateway.charge(request);
      },
    },
  });
  onTestFinished(() => services.stop(2000));
  const cheap = { ...created, orderId: "cheap", total: { amountMinor: 1, currency: "GBP" } };
  const foreign = Buffer.from(encoders.created(cheap));
  await connection.nats.jetstream().publish("ORDERS.created.cheap", foreign);
  // The three fields of a program that knows no lines: "plain", 19.99.
  const plain = Buffer.from("0a05706c61696e1203632d31213d0ad7a370fd3340", "hex");
  await connection.nats.jetstream().publish("ORDERS.created.plain", plain);
  await log.ended("plain");
  await until(async () => (await readDeadLetters(orderLog(connection))).length === 1);
  const [letter] = await readDeadLetters(orderLog(connection));
  expect(JSON.stringify(letter)).toContain("total is 1, and the lines are worth 2499 minor units");
  expect(JSON.stringify(letter)).toContain("bad_message");
  expect(charged).toEqual(["plain"]);
});

it("refuses SKUs that nobody has stocked where they are to be refused, and makes no entry for them", async () => {
  const { connection } = await brokerOfTest();
  const log = await openLogWriter(connection);
  onTestFinished(() => log.close());
  const services = await startServices(connection, undefined, { unknownSkus: "refuse" });
  onTestFinished(() => services.stop(2000));
  expect(services.serving.unknownSkuUnits).toBe(0);
  await log.store(created);
  await log.ended(created.orderId);
  const kinds = (await readLog(connection)).map(({ event }) => event.kind);
  expect(kinds).toContain("refunds");
  const publisher = new Publisher(connection);
  onTestFinished(() => publisher.close());
  expect(await new Bucket(connection, publisher, inventoryBucket).keys()).toEqual([]);
});

it("takes no order with more lines than the API was told", async () => {
  const orders = {
    isReady: () => true,
    place: () => Promise.reject(new Error("was placed")),
    read: () => Promise.resolve(undefined),
  };
  const desk = { orders, note: () => {}, keys: new KeyMemory(), maxLines: 3 };
  const line = { sku: "MUG", quantity: 1, unit_price: 1 };
  const answer = await answerPost(desk, { lines: Array(4).fill(line) }, { trace: {}, key: undefined });
  expect(answer.status).toBe(422);
  expect(JSON.parse(String(answer.body))).toMatchObject({
    field: "lines",
    detail: "lines are 4, 3 are the most",
  });
});
