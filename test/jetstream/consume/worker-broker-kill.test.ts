import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import { brokerOfTest } from "../../support/broker-of-test.ts";
import { until } from "../../support/until.ts";
import { createQueue, startWorker } from "../../support/work-queue.ts";
import { countStored, createLog } from "../streams/subject-log.ts";

it("processes everything although the broker is killed under it, and stores each outcome once", async () => {
  const { broker, connection } = await brokerOfTest();
  // Acknowledgements that were lost with the broker come again after the ack wait.
  const queue = await createQueue(connection, "JOBS", { count: 2000, ackWaitMs: 2000 });
  await createLog(connection, "RESULTS");
  const options = { connection, stream: "JOBS", concurrency: 32, ackWaitMs: 2000 };
  const worker = startWorker(options, async ({ sequence, payload }) => {
    await wait(5);
    return { subject: `RESULTS.${sequence}`, payload };
  });
  await until(() => worker.counts.processed > 300);
  await broker.kill();
  const before = worker.counts.processed;
  await broker.restart();
  await until(() => queue.isDone().catch(() => false), 20_000);
  expect(before).toBeLessThan(2000);
  expect(await countStored(connection, "RESULTS")).toBe(2000);
});

it("goes on at once when the broker is back, not only when the pulls that died with it are given up", async () => {
  const { broker, connection } = await brokerOfTest();
  const queue = await createQueue(connection, "IDLE");
  const worker = startWorker({ connection, stream: "IDLE" }, async () => undefined);
  await until(async () => (await queue.waiting()) > 0);
  await broker.kill();
  await broker.restart();
  await until(() => connection.isConnected());
  const backAt = performance.now();
  await until(() =>
    connection.nats
      .jetstream()
      .publish("IDLE.1")
      .then(
        () => true,
        () => false,
      ),
  );
  await until(() => worker.counts.processed === 1);
  expect(performance.now() - backAt).toBeLessThan(1500);
});
