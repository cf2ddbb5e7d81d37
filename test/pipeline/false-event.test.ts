import { afterEach, beforeEach, expect, it } from "vitest";
import type { Connection } from "../../src/jetstream/connection.ts";
import { readDeadLetters } from "../../src/pipeline/dead-letters.ts";
import type { RunningServices } from "../../src/pipeline/run-services.ts";
import { startTestBroker, type TestBroker } from "../broker/start-test-broker.ts";
import { openTestConnection } from "../jetstream/open-test-connection.ts";
import { runCommand } from "../run-command.ts";
import { created } from "../services/handler-context.ts";
import { until } from "../until.ts";
import { type LogWriter, openLogWriter } from "./log-writer.ts";
import { startServices } from "./start-services.ts";

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
  (await readDeadLetters(connection)).find(({ letter }) => letter.service === service)?.letter;

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
  expect(letter?.detail).toContain("its place is taken by message 1, which is no such event");
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
  expect(removed.stdout).toContain(`The order goes on with: orderctl dlq redrive ${letter?.sequence}\n`);
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
