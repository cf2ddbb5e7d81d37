import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";
import { until } from "../../support/until.ts";
import { createQueue, startWorker } from "../../support/work-queue.ts";

let broker: TestBroker;
let connection: Connection;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

describe("a worker that is paused", () => {
  it("pulls nothing, and goes on soon after", async () => {
    const queue = await createQueue(connection, "PAUSE", { count: 20 });
    let paused = true;
    const options = { connection, stream: "PAUSE", isPaused: () => paused };
    const worker = startWorker(options, async () => undefined);
    const startedAt = performance.now();
    await until(() => performance.now() - startedAt > 600);
    expect(await queue.state()).toEqual({ pending: 20, ackPending: 0 });
    expect(await queue.waiting()).toBe(0);
    paused = false;
    const resumedAt = performance.now();
    await until(() => worker.counts.processed > 0);
    expect(performance.now() - resumedAt).toBeLessThan(5000);
    await until(() => queue.isDone());
  });

  it("pulls no more once it is, finishes what it has, and lets its pulls run out", async () => {
    const queue = await createQueue(connection, "HOLD", { count: 20 });
    let paused = false;
    const letGo: (() => void)[] = [];
    const options = { connection, stream: "HOLD", isPaused: () => paused };
    const worker = startWorker(options, () => new Promise((resolve) => letGo.push(() => resolve(undefined))));
    await until(() => worker.counts.inFlight === 8);
    paused = true;
    for (const release of letGo) release();
    await until(() => worker.counts.processed === 8);
    await until(async () => (await queue.waiting()) === 0);
    expect(await queue.state()).toMatchObject({ pending: 12 });
  });

  it("hands back at once what it holds when it is stopped", async () => {
    const queue = await createQueue(connection, "AWAY", { count: 6 });
    let paused = false;
    const options = { connection, stream: "AWAY", isPaused: () => paused };
    const stuck = startWorker(options, () => new Promise(() => {}));
    await until(() => stuck.counts.inFlight === 6);
    paused = true;
    const startedAt = performance.now();
    await stuck.stop(15_000);
    expect(performance.now() - startedAt).toBeLessThan(3000);
    const next = startWorker({ connection, stream: "AWAY" }, async () => undefined);
    await until(() => next.counts.processed === 6, 3000);
    await until(() => queue.isDone());
  });
});
