import { headers as createHeaders } from "nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eachDeadLetter, readNewestDeadLetters } from "../../src/dead-letters/dead-letters.ts";
import { flowTopology } from "../../src/flow/flow-topology.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { type DeadLetterMark, deadLetterHeader } from "../../src/jetstream/dead-letters/dead-letter.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { orderShape } from "../../src/orders/flow.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { orderLog } from "../support/order-log.ts";
import { runCommand } from "../support/run-command.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";

const many = 6000;

let broker: TestBroker;
let connection: Connection;

/** Of order `o-<n>`; every third is of inventory, and the last one takes the place of the very first. */
const markOf = (n: number): DeadLetterMark => ({
  delivery: String(n),
  reason: "timeout",
  detail: "no answer",
  attempts: 1,
  origin: { stream: "ORDERS", subject: `ORDERS.created.o-${n}`, sequence: n, storedAtUs: n },
  consumer: "payment-processor",
  service: n % 3 === 0 ? "inventory" : "payment",
  instance: "vm-1",
  atUs: n,
  redriveOf: n === many ? 1 : null,
  omittedBytes: null,
});

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  await applyTopology(connection, flowTopology(orderShape));
  const publisher = new Publisher(connection);
  for (let n = 1; n <= many; n += 1) {
    await publisher.ready();
    const mark = markOf(n);
    void publisher.publish({
      subject: `DEAD_LETTERS.${mark.service}.o-${n}`,
      payload: Buffer.from("x"),
      headers: { [deadLetterHeader]: JSON.stringify(mark) },
    });
  }
  await publisher.drain();
  publisher.close();
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

const dlq = (words: string) => runCommand(`dlq ${words} --server ${broker.url}`);

it("reads the newest ones only, however many there are", async () => {
  const read = readNewestDeadLetters(orderLog(connection), { wanted: 3, fits: () => true });
  const { found, isWhole } = await read;
  expect(isWhole).toBe(false);
  expect(found.length).toBeLessThan(many / 2);
  expect(found.slice(0, 3).map(({ letter }) => letter.sequence)).toEqual([many, many - 1, many - 2]);
  const { stdout } = await dlq("list --limit 3");
  expect(stdout).toMatch(/^the newest 3 dead letters\n/);
  expect(stdout).toContain("there are more; --limit shows them");
});

it("goes back as far as it must for those that fit, and knows what a younger one says of an older", async () => {
  const read = readNewestDeadLetters(orderLog(connection), {
    wanted: 2,
    fits: ({ sequence }) => sequence <= 2,
  });
  const { found, isWhole } = await read;
  expect(isWhole).toBe(true);
  expect(found.map(({ letter }) => [letter.sequence, letter.state])).toEqual([
    [2, "open"],
    [1, "failed_again"],
  ]);
});

it("finds those of one order or one service among them, each once", async () => {
  expect((await dlq("list --order o-77")).stdout).toMatch(/^1 dead letter\n/);
  expect((await dlq("list --service inventory --limit 1")).stdout).toMatch(/^2,000 dead letters\n/);
  expect((await dlq("list --order a.b")).stdout).toBe("no dead letters\n");
  expect((await dlq("show 4711 --json")).lines()[0]?.data).toMatchObject({
    sequence: 4711,
    orderId: "o-4711",
  });
  expect((await dlq("show o-4712 --json")).lines()[0]?.data).toMatchObject({ sequence: 4712 });
  // The broker refuses to look for message 0, which used to be an `internal` error.
  for (const none of [0, many + 1]) expect(await dlq(`show ${none}`)).toMatchObject({ exitCode: 4 });
});

it("reads all of them a part at a time, each once, also where the first ones are gone", async () => {
  await connection.jsm.streams.purge("DEAD_LETTERS", { seq: 101 });
  const sequences: number[] = [];
  const lasts: boolean[] = [];
  for await (const { letters, isLast } of eachDeadLetter(orderLog(connection), { window: 2950 })) {
    sequences.push(...letters.map(({ letter }) => letter.sequence));
    lasts.push(isLast);
  }
  expect(sequences).toEqual(Array.from({ length: many - 100 }, (_, index) => many - index));
  expect(lasts).toEqual([false, true]);
});

it("tells the numbers of the newest ones of an order that has many", async () => {
  const origin = { ...markOf(1).origin, subject: "ORDERS.created.o-often" };
  const mark = JSON.stringify({ ...markOf(1), origin });
  const headers = createHeaders();
  headers.set(deadLetterHeader, mark);
  for (let n = 0; n < 30; n += 1)
    await connection.nats.jetstream().publish("DEAD_LETTERS.payment.o-often", "x", { headers });
  const { stderr } = await dlq("show o-often");
  expect(stderr).toMatch(/^the newest of this order; older: 6029, 6028, [\d, ]+, 6010 and 9 more\n$/);
});
