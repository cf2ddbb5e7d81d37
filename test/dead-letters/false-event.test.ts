import { writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readDeadLetters } from "../../src/dead-letters/dead-letters.ts";
import type { RunningServices } from "../../src/flow/run-services.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { readBySequence } from "../../src/jetstream/streams/read-message.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import { temporaryFile } from "../orders/gateway/test-simulator.ts";
import { approved, created, reserved } from "../support/handler-context.ts";
import { type LogWriter, openLogWriter } from "../support/log-writer.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { orderLog } from "../support/order-log.ts";
import { runCommand } from "../support/run-command.ts";
import { serve } from "../support/serving.ts";
import { startServices } from "../support/start-services.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

let broker: TestBroker;
let connection: Connection;
let log: LogWriter;
let services: RunningServices;

beforeEach(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  log = await openLogWriter(connection);
  services = await startServices(connection);
});

afterEach(async () => {
  await services.stop(2000);
  log.close();
  await connection.close();
  await broker.stop();
});

const run = (words: string) => runCommand(`${words} --server ${broker.url}`);
const letterOf = async (service: string) =>
  (await readDeadLetters(orderLog(connection))).find(({ letter }) => letter.service === service)?.letter;

// Whoever could store one there stopped the order for good: its place is taken, and the log takes no second one.
it.each([
  ["shipments", "shipping", '{"stored":"by somebody else"}'],
  ["payments", "payment", "x"],
  ["notifications", "notification", ""],
])("an order goes on once what took the place of its event in %s is removed", async (kind, service, text) => {
  await log.storeBytes(`ORDERS.${kind}.victim`, text);
  await log.store({ ...created, orderId: "victim" });
  await until(async () => (await letterOf(service)) !== undefined);
  const letter = await letterOf(service);
  expect(letter).toMatchObject({ reason: "conflict", orderId: "victim" });
  expect(letter?.detail).toContain(
    `its place ORDERS.${kind}.victim is taken by message 1, which is no such event`,
  );
  expect(letter?.detail).toContain("orderctl dlq remove-event 1");

  const failed = await run("audit --grace 1ms");
  expect(failed.exitCode).toBe(1);
  expect(failed.stdout).toContain("orderctl dlq remove-event 1");

  const asked = await run("dlq remove-event 1");
  expect(asked).toMatchObject({ exitCode: 2 });
  expect(asked.stdout).toContain(`would remove message 1, ORDERS.${kind}.victim`);
  expect(asked.stdout).toContain(`may have been stored by the user ${service}, or an admin`);
  expect(asked.stderr).toContain("--yes does it");

  const removed = await run("dlq remove-event 1 --yes");
  expect(removed).toMatchObject({ exitCode: 0, stderr: "" });
  expect(removed.stdout).toContain(`It goes on with: orderctl dlq redrive ${letter?.sequence}\n`);
  expect(await run("dlq remove-event 1 --yes")).toMatchObject({ exitCode: 4 });

  expect(await run(`dlq redrive ${letter?.sequence}`)).toMatchObject({ exitCode: 0 });
  await log.ended("victim");
  const copies = /orderctl dlq purge ([\d ]+) --yes/.exec(removed.stdout)?.[1];
  if (copies) expect(await run(`dlq purge ${copies} --yes`)).toMatchObject({ exitCode: 0 });
  await until(async () => (await run("audit --grace 1ms")).exitCode === 0);
  expect((await run("dlq list")).stdout).toBe("no dead letters\n");
});

it("removes no event that is one, unless it is forced to", async () => {
  await log.store({ ...created, orderId: "honest" });
  await log.ended("honest");
  const refused = await run("dlq remove-event 1 --yes");
  expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
  expect(refused.stderr).toContain("message 1 is an event as it should be: ORDERS.created.honest");
  expect(await run("dlq remove-event 1 --yes --force")).toMatchObject({ exitCode: 0 });
  expect(await run("dlq remove-event 0 --yes")).toMatchObject({ exitCode: 4 });
  expect((await run("dlq remove-event x")).stderr).toContain('"x" is not the number of a message');
});

// An event as it should be, stored before the order was there, was taken for what that had led to: "SHIPPED by evil".
it.each<[string, OrderEvent]>([
  ["shipping", { kind: "shipments", orderId: "o-1", carrier: "evil", trackingId: "e-1" }],
  ["payment", approved],
  ["inventory", reserved],
  ["notification", { kind: "notifications", orderId: "o-1", type: "SHIPPED", channel: "evil" }],
])("no event that was stored before the order counts for what %s has to do", async (service, early) => {
  await log.store(early);
  const first = await run("dlq remove-event 1");
  expect(first.stdout).toContain("the log holds nothing that it would follow from");
  await log.store(created);
  await until(async () => (await letterOf(service)) !== undefined);
  const letter = await letterOf(service);
  expect(letter).toMatchObject({ reason: "conflict", orderId: "o-1" });
  expect(letter?.detail).toMatch(
    /is taken by message 1, .*stored before message \d+, which it would follow from/,
  );

  const traced = await run("trace o-1");
  expect(traced.exitCode).toBe(0);
  expect(traced.stdout).toMatch(/^order o-1 waiting for /);
  expect(traced.stdout.replace(/\n/g, " ")).toMatch(/message 1 is left out.*orderctl dlq remove-event 1/);
  const failed = await run("audit --grace 1ms");
  expect(failed.exitCode).toBe(1);
  expect(failed.stdout).toContain("orderctl dlq remove-event 1");

  const removed = await run("dlq remove-event 1 --yes");
  expect(removed.stdout).toMatch(/it was stored before message \d+, which it would follow from/);
  expect(await readBySequence(connection, "ORDERS", 1)).toBeUndefined();
});

describe("what takes the place of an order", () => {
  beforeEach(() => log.storeBytes("ORDERS.created.taken-1", "no order"));

  it("is named by publish, which stores the others", async () => {
    const file = await temporaryFile("orders.ndjson");
    const order = (id: string) =>
      JSON.stringify({ order_id: id, customer_id: "c", total_minor: 100, currency: "GBP" });
    await writeFile(file, `${order("taken-1")}\n${order("taken-2")}\n`);
    const published = await run(`publish order --file ${file}`);
    expect(published.exitCode).toBe(6);
    expect(published.stdout).toContain("1 order stored");
    expect(published.stdout).toContain(
      "message 1 takes the place of ORDERS.created.taken-1 and is no such event",
    );
    expect(published.stdout).toContain("orderctl dlq remove-event 1");

    const removed = await run("dlq remove-event 1 --yes");
    expect(removed.stdout).toContain("whoever sent it has to send it again");
    expect(await run(`publish order --file ${file}`)).toMatchObject({ exitCode: 0 });
    await log.ended("taken-1");
  });

  it("is told by trace with what to do", async () => {
    const traced = await run("trace taken-1");
    expect(traced).toMatchObject({ exitCode: 6, stdout: "" });
    expect(traced.stderr).toContain("message 1 takes the place of ORDERS.created.taken-1");
    expect(traced.stderr).toContain("orderctl dlq remove-event 1");
  });

  it("is a 409 of the order API, with a note for the operator", async () => {
    const api = serve(broker.url, "order --http-port 0 --json");
    await until(() => api.stdout().includes("\n"));
    const { url } = JSON.parse(api.stdout().split("\n")[0] ?? "").data;
    const body = { order_id: "taken-1", customer_id: "c", total_minor: 100, currency: "GBP" };
    const posted = await fetch(`${url}/orders`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    expect(posted.status).toBe(409);
    expect(await posted.json()).toMatchObject({ detail: "what is stored under this id is no order" });
    expect((await fetch(`${url}/orders/taken-1`)).status).toBe(500);
    await until(() => api.stderr().includes("orderctl dlq remove-event 1"));
    await api.stop();
  });
});

// One event that nobody can read used to deny the whole order.
it("an order of which one message cannot be read is traced without it", async () => {
  await log.storeBytes("ORDERS.notifications.o-1", "x");
  await log.store(created);
  await until(async () => (await letterOf("notification")) !== undefined);
  const traced = await run("trace o-1 --json");
  expect(traced.exitCode).toBe(0);
  const { data } = JSON.parse(traced.stdout);
  expect(data).toMatchObject({
    waitingFor: "notification",
    falseMessages: [{ sequence: 1, subject: "ORDERS.notifications.o-1", fault: expect.any(String) }],
  });
});
