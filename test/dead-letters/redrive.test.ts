import { afterEach, beforeEach, expect, it } from "vitest";
import { OrderctlError } from "../../src/core/errors.ts";
import { readDeadLetters } from "../../src/dead-letters/dead-letters.ts";
import { deadLetterRule } from "../../src/flow/dead-letters-rule.ts";
import { redrivesStream } from "../../src/flow/flow-topology.ts";
import { readKey } from "../../src/flow/key-log.ts";
import type { RunningServices } from "../../src/flow/run-services.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { Worker } from "../../src/jetstream/consume/worker.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { readStreamIdentity } from "../../src/jetstream/streams/apply-topology.ts";
import { readLastSequence } from "../../src/jetstream/streams/read-message.ts";
import { orderShape } from "../../src/orders/flow.ts";
import type { PaymentGateway } from "../../src/orders/gateway/gateway.ts";
import { createStock, encodeStock } from "../../src/orders/stock/stock.ts";
import { created } from "../support/handler-context.ts";
import { type LogWriter, openLogWriter } from "../support/log-writer.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { orderLog } from "../support/order-log.ts";
import { runCommand } from "../support/run-command.ts";
import { startServices } from "../support/start-services.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

let broker: TestBroker;
let connection: Connection;
let log: LogWriter;
let services: RunningServices;
const broken = new Set<string>();

/** Fails for the orders that are broken, each time. */
const gateway: PaymentGateway = {
  async charge({ orderId }) {
    if (broken.has(orderId)) throw new OrderctlError("unavailable", `no charge for ${orderId}`);
    return { status: "APPROVED", chargeId: `ch_${orderId}` };
  },
  refund: async ({ chargeId }) => ({ refundId: `re_${chargeId}` }),
};

beforeEach(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  log = await openLogWriter(connection);
  services = await startServices(connection, undefined, { gateway, maxAttempts: 2 });
});

afterEach(async () => {
  await services.stop(2000);
  log.close();
  await connection.close();
  await broker.stop();
  broken.clear();
});

const dlq = async (words: string) => {
  const ran = await runCommand(`dlq ${words} --server ${broker.url}`);
  expect(ran.stderr).toBe("");
  return ran;
};
const audit = () => runCommand(`audit --grace 1ms --server ${broker.url}`);
const letters = async () => (await readDeadLetters(orderLog(connection))).map(({ letter }) => letter);
const order = (orderId: string) => ({ ...created, orderId });

async function giveUpOn(orderId: string, count = 1) {
  broken.add(orderId);
  await log.store(order(orderId));
  await until(async () => (await letters()).length === count);
  broken.delete(orderId);
}

/** As a release of inventory does that cannot handle an order; stops all services. */
async function giveUpInInventory(orderId: string) {
  const publisher = new Publisher(connection);
  const deadLetters = deadLetterRule(orderShape, {
    service: "inventory",
    instance: "earlier",
    consumer: "inventory-reserver",
    maxAttempts: 2,
  });
  const place = { stream: "ORDERS", consumer: "inventory-reserver", concurrency: 1, ackWaitMs: 30_000 };
  const worker = new Worker(
    { connection, publisher },
    { ...place, deadLetters, note: () => {} },
    async () => {
      throw new OrderctlError("unprocessable", "not yet", { source: "message" });
    },
  );
  await log.store(order(orderId));
  await until(async () => (await letters())[0]?.service === "inventory");
  await worker.stop(2000);
  publisher.close();
  await services.stop(2000);
}

it("takes an order to its end in another process once what failed works, and the log tells the true cause", async () => {
  await giveUpOn("late");
  const failed = await audit();
  expect(failed.exitCode).toBe(1);
  expect(failed.stdout).toMatch(/payment-processor gave up on it,\s+unavailable \(dead\s+letter 1\)/);
  const redriven = await dlq("redrive 1");
  expect(redriven).toMatchObject({ exitCode: 0, stderr: "" });
  expect(redriven.stdout).toMatch(/^1 dead letter redriven\n {2}1 {2}payment {2}late {2}unavailable\n/);
  await log.ended("late");
  await until(async () => (await letters())[0]?.state === "done");
  expect((await dlq("list")).stdout).toBe("no dead letters\n");
  expect((await dlq("list --redriven")).stdout).toMatch(
    /late +2 +unavailable, redriven by \S+@\S+ at .*, done/,
  );
  const [first, payment] = (await readKey(orderLog(connection), "late")).events;
  expect(payment?.hop).toMatchObject({ causeSequence: first?.sequence, service: "payment" });
  expect(await audit()).toMatchObject({ exitCode: 0 });
});

it("is refused twice, by two at once and later, unless somebody insists", async () => {
  await giveUpOn("once");
  const both = await Promise.all([dlq("redrive --all --json"), dlq("redrive --all --json")]);
  const reports = both.map((ran): { redriven: unknown[] } | undefined => ran.lines()[0]?.data);
  expect(reports.map((report) => report?.redriven.length).sort()).toEqual([0, 1]);
  await log.ended("once");
  await until(async () => (await letters())[0]?.state === "done");
  const later = await dlq("redrive 1");
  expect(later.stdout).toMatch(
    /^0 dead letters redriven\n\n1 left alone\n.* redrove it at .*--again does it once more/,
  );
  expect((await dlq("redrive 1 --again")).stdout).toMatch(/^1 dead letter redriven/);
  await until(async () => (await letters())[0]?.redrives.length === 2);
  await until(async () => (await letters())[0]?.state === "done");
  expect(await audit()).toMatchObject({ exitCode: 0 });
});

it("is a new dead letter that takes the place of the old one where it fails again", async () => {
  await giveUpOn("stubborn");
  broken.add("stubborn");
  await dlq("redrive --order stubborn");
  await until(async () => (await letters()).length === 2);
  broken.clear();
  const [second, first] = await letters();
  expect(first).toMatchObject({ sequence: 1, state: "failed_again", next: 2 });
  expect(second).toMatchObject({ state: "open", redriveOf: 1, consumer: "payment-processor", attempts: 2 });
  expect(second).toMatchObject({ subject: first?.subject, storedSequence: first?.storedSequence });
  expect((await dlq("list")).stdout).toMatch(/^1 dead letter\n/);
  expect((await dlq("redrive 1 --again")).stdout).toContain("failed again: redrive 2 instead");
  expect((await dlq("redrive --service payment --reason unavailable")).stdout).toMatch(
    /^1 dead letter redriven/,
  );
  await log.ended("stubborn");
});

it("takes the stock of an order once, although others were settled since it was given up on", async () => {
  await services.stop(2000);
  services = await startServices(connection, ["payment", "shipping", "notification"], { gateway });
  await giveUpInInventory("shelved");
  services = await startServices(connection, undefined, { gateway, maxAttempts: 2 });
  const cheap = { lines: created.lines.slice(0, 1), total: { amountMinor: 1000, currency: "GBP" } };
  const others = ["a", "b", "c"].map((orderId) => ({ ...order(orderId), ...cheap }));
  await log.store(...others);
  for (const { orderId } of others) await log.ended(orderId);
  const settled = { ...createStock(5, await readStreamIdentity(connection, "ORDERS")), settledThrough: 1000 };
  await connection.nats.jetstream().publish("$KV.INVENTORY.TRAY", encodeStock(settled));
  expect((await dlq("redrive --service inventory")).stdout).toMatch(/^1 dead letter redriven/);
  await log.ended("shelved");
  const events = (await readKey(orderLog(connection), "shelved")).events.map(({ event }) => event.kind);
  expect(events).toEqual(["created", "payments", "reservations", "shipments", "notifications"]);
  const stock = await runCommand(`inventory list --json --server ${broker.url}`);
  const [line] = stock.lines();
  expect(line?.data).toMatchObject({
    items: expect.arrayContaining([expect.objectContaining({ sku: "TRAY", available: 4, reserved: 1 })]),
  });
  expect(await audit()).toMatchObject({ exitCode: 0 });
});

// It used to throw the report away with the error.
it("says which are redriven when the broker stays away, and the command that redrives the rest", async () => {
  for (const [index, orderId] of ["one", "two", "three"].entries()) await giveUpOn(orderId, index + 1);
  const line = `dlq redrive --all --rate 1 --give-up 1s --timeout 1s --server ${broker.url}`;
  const running = runCommand(line);
  await until(async () => (await readLastSequence(connection, redrivesStream)) === 1);
  await broker.kill();
  const ran = await running;
  // It reads each dead letter before it stores: either may be what the broker does not answer.
  expect([3, 5]).toContain(ran.exitCode);
  expect(ran.stdout).toMatch(/^1 dead letter redriven\n {2}1 {2}payment {2}one/);
  expect(ran.stderr).toContain(`to redrive the rest: orderctl ${line}`);
  await broker.restart();
  await until(() => connection.isConnected());
  expect((await dlq("redrive --all")).stdout).toMatch(/^2 dead letters redriven/);
});
