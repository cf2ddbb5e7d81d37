import { expect, it } from "vitest";
import { OrderctlError } from "../../../src/core/errors.ts";
import type { DeadLetterRule, Processor } from "../../../src/jetstream/consume/worker-options.ts";
import { readBySequence } from "../../../src/jetstream/streams/read-message.ts";
import { brokerOfTest } from "../../support/broker-of-test.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { until } from "../../support/until.ts";
import { createQueue, startWorker } from "../../support/work-queue.ts";
import { createDeadLetters } from "./dead-letter-world.ts";

const fail: Processor = async () => {
  throw new OrderctlError("bad_message", "no good", { source: "message" });
};

it("keeps each dead letter once although the broker is killed while they are kept", async () => {
  const { broker, connection } = await brokerOfTest();
  const queue = await createQueue(connection, "JOBS", { count: 1000, ackWaitMs: 2000 });
  const { rule, kept } = await createDeadLetters(connection, "JOBS");
  const options = { connection, stream: "JOBS", concurrency: 32, ackWaitMs: 2000, deadLetters: rule };
  startWorker(options, fail);
  await until(async () => (await kept()).length > 200);
  await broker.kill();
  await broker.restart();
  await until(() => queue.isDone().catch(() => false), 40_000);
  const sequences = (await kept()).map(({ mark }) => mark.origin.sequence);
  expect(sequences.sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
});

it("makes no dead letter of what fails only because the broker is away, however often", async () => {
  const { broker, connection } = await brokerOfTest();
  const queue = await createQueue(connection, "AWAY", { count: 200, ackWaitMs: 1000 });
  const { rule, kept } = await createDeadLetters(connection, "AWAY", 1);
  const options = { connection, stream: "AWAY", ackWaitMs: 1000, deadLetters: rule };
  const worker = startWorker(options, async ({ sequence, payload }) => {
    if (!connection.isConnected()) throw new OrderctlError("internal", "whatever it was");
    await readBySequence(connection, "AWAY", sequence);
    return { subject: `AWAYOUT.${sequence}`, payload };
  });
  await until(() => worker.counts.failed > 10);
  for (let outage = 0; outage < 3; outage += 1) {
    const failed = worker.counts.failed;
    await broker.kill();
    await until(() => !connection.isConnected());
    await broker.restart();
    await until(() => connection.isConnected() && worker.counts.failed > failed);
  }
  await connection.jsm.streams.add({ name: "AWAYOUT", subjects: ["AWAYOUT.>"] });
  await until(() => queue.isDone().catch(() => false), 60_000);
  expect(await kept()).toEqual([]);
});

/** A process that ends, all of it, as soon as it is given message 3. */
async function runUntilItDies(url: string, rule: DeadLetterRule, isOver: () => Promise<boolean>) {
  const connection = await openTestConnection(url);
  const options = { connection, stream: "LOOP", ackWaitMs: 300, deadLetters: rule };
  startWorker(options, async ({ sequence }) => {
    await new Promise((later) => setImmediate(later));
    if (sequence !== 3) return undefined;
    await connection.nats.close();
    return new Promise(() => {});
  });
  await until(async () => connection.nats.isClosed() || (await isOver()), 20_000);
  return connection.nats.isClosed();
}

it("finds the message that ends its process each time, and blames none that went down with it", async () => {
  const { broker, connection } = await brokerOfTest();
  const queue = await createQueue(connection, "LOOP", { count: 6, ackWaitMs: 300 });
  const { rule, kept } = await createDeadLetters(connection, "LOOP", 2);
  const isOver = async () => (await kept()).length > 0;
  let deaths = 0;
  while (await runUntilItDies(broker.url, rule, isOver)) {
    deaths += 1;
    expect(deaths).toBeLessThan(12);
  }
  await until(() => queue.isDone(), 20_000);
  const letters = await kept();
  expect(letters.map(({ mark }) => mark.origin.sequence)).toEqual([3]);
  expect(letters[0]?.mark).toMatchObject({ reason: "crash_loop" });
  expect(letters[0]?.mark.detail).toMatch(
    /^delivered \d+ times; the last 3 times its worker never answered$/,
  );
  expect(deaths).toBeGreaterThanOrEqual(5);
}, 60_000);
