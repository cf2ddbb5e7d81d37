import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import { openTestConnection } from "../../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";
import { until } from "../../support/until.ts";
import { createQueue, startWorker } from "../../support/work-queue.ts";
import { countStored, createLog, textTo } from "../streams/subject-log.ts";

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

const never = () => new Promise<undefined>(() => {});

describe("stop", () => {
  it("returns soon where nothing is to be done", async () => {
    await createQueue(connection, "IDLE");
    const worker = startWorker({ connection, stream: "IDLE" }, never);
    const startedAt = performance.now();
    await worker.stop(15_000);
    expect(performance.now() - startedAt).toBeLessThan(3000);
  });

  it("finishes, stores and acknowledges what is under way", async () => {
    const queue = await createQueue(connection, "FINISH", { count: 4 });
    await createLog(connection, "FINISHED");
    const worker = startWorker({ connection, stream: "FINISH" }, async ({ sequence }) => {
      await wait(300);
      return textTo(`FINISHED.${sequence}`);
    });
    await until(() => worker.counts.inFlight === 4);
    await worker.stop(10_000);
    expect(worker.counts).toMatchObject({ processed: 4, inFlight: 0 });
    expect(await countStored(connection, "FINISHED")).toBe(4);
    await until(() => queue.isDone(), 1000);
  });

  it("hands back what is not finished by the deadline: the next worker has it at once", async () => {
    const queue = await createQueue(connection, "BACK", { count: 6, ackWaitMs: 30_000 });
    const aborted: boolean[] = [];
    const stuck = startWorker({ connection, stream: "BACK" }, (_, signal) => {
      signal.addEventListener("abort", () => aborted.push(true));
      return never();
    });
    await until(() => stuck.counts.inFlight === 6);
    const startedAt = performance.now();
    await stuck.stop(200);
    expect(performance.now() - startedAt).toBeLessThan(2000);
    expect(aborted).toHaveLength(6);
    const attempts: number[] = [];
    startWorker({ connection, stream: "BACK" }, async ({ attempt }) => void attempts.push(attempt));
    await until(() => queue.isDone(), 3000);
    expect(attempts).toEqual([2, 2, 2, 2, 2, 2]);
  });

  it("hands back at once what failed because of it", async () => {
    const queue = await createQueue(connection, "OBEY", { count: 3 });
    const options = { connection, stream: "OBEY", backoffMs: 20_000 };
    const obedient = startWorker(options, (_, signal) => wait(60_000, undefined, { signal }));
    await until(() => obedient.counts.inFlight === 3);
    await obedient.stop(100);
    startWorker({ connection, stream: "OBEY" }, async () => undefined);
    await until(() => queue.isDone(), 3000);
  });

  it("hands back at once what fails while it waits for it", async () => {
    const queue = await createQueue(connection, "BREAK", { count: 3 });
    const failing = startWorker({ connection, stream: "BREAK", backoffMs: 20_000 }, async () => {
      await wait(200);
      throw new Error("the gateway is away");
    });
    await until(() => failing.counts.inFlight === 3);
    await failing.stop(10_000);
    startWorker({ connection, stream: "BREAK" }, async () => undefined);
    await until(() => queue.isDone(), 3000);
  });

  it("leaves nothing unacknowledged while messages keep coming", async () => {
    const queue = await createQueue(connection, "COMING");
    const jetstream = connection.nats.jetstream();
    let coming = true;
    let sent = 0;
    const sending = (async () => {
      for (; coming; sent += 1) await jetstream.publish(`COMING.${sent}`);
    })();
    let processed = 0;
    for (let round = 0; round < 3; round += 1) {
      const worker = startWorker({ connection, stream: "COMING", concurrency: 64 }, () => wait(20));
      await until(() => worker.counts.processed > 50);
      await worker.stop(10_000);
      expect(worker.counts.inFlight).toBe(0);
      processed += worker.counts.processed;
      await until(async () => (await queue.state()).ackPending === 0, 1000);
    }
    coming = false;
    await sending;
    // A consumer learns a moment later than the publisher what the stream has stored.
    await until(async () => (await queue.state()).pending + processed === sent);
  });

  it("under load leaves nothing unacknowledged and forgets nothing", async () => {
    const queue = await createQueue(connection, "LOAD", { count: 3000 });
    const done = new Set<number>();
    const worker = startWorker({ connection, stream: "LOAD", concurrency: 64 }, async ({ sequence }) => {
      await wait(5);
      done.add(sequence);
      return undefined;
    });
    await until(() => worker.counts.processed > 300);
    await worker.stop(10_000);
    expect(worker.counts.inFlight).toBe(0);
    // No other worker is there to take what was left: it would stay unacknowledged for 30 s.
    await until(async () => (await queue.state()).ackPending === 0, 2000);
    const { pending } = await queue.state();
    expect(pending).toBeGreaterThan(0);
    expect(pending + done.size).toBe(3000);
    expect(worker.counts.processed).toBe(done.size);
  });

  it("ends in time although the broker is away", async () => {
    const doomed = await startTestBroker();
    const lost = await openTestConnection(doomed.url);
    await createQueue(lost, "AWAY", { count: 2 });
    const worker = startWorker({ connection: lost, stream: "AWAY" }, never);
    await until(() => worker.counts.inFlight === 2);
    await doomed.kill();
    await until(() => !lost.isConnected());
    const startedAt = performance.now();
    await worker.stop(300);
    expect(performance.now() - startedAt).toBeLessThan(2000);
    await lost.close();
    await doomed.stop();
  });
});
