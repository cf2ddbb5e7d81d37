import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Connection } from "../../../src/jetstream/client/connection.ts";
import type { Delivery, DeliveryWatch } from "../../../src/jetstream/consume/delivery.ts";
import { RetryLater } from "../../../src/jetstream/consume/retry-later.ts";
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

const watchWith = (watch: Partial<DeliveryWatch>): DeliveryWatch => ({
  stored: () => {},
  failed: () => {},
  settled: () => {},
  labels: () => ({}),
  ...watch,
});

describe("a delivery", () => {
  it("names its subject, payload, sequence, attempt and headers, and when it was stored", async () => {
    const before = Date.now() * 1000;
    await createQueue(connection, "TOLD", { count: 2 });
    const seen: Delivery[] = [];
    startWorker({ connection, stream: "TOLD" }, async (delivery) => void seen.push(delivery));
    await until(() => seen.length === 2);
    expect(seen[1]).toMatchObject({ subject: "TOLD.1", sequence: 2, attempt: 1 });
    expect(Buffer.from(seen[1]?.payload ?? []).toString()).toBe("x");
    expect(seen[1]?.storedAtUs).toBeGreaterThanOrEqual(before);
    expect(seen[1]?.storedAtUs).toBeLessThanOrEqual(Date.now() * 1000 + 1000);
    expect(seen[1]?.header("traceparent")).toBeUndefined();
  });

  it("is acknowledged only when what it led to is stored", async () => {
    const queue = await createQueue(connection, "STORE", { count: 3 });
    const told: number[] = [];
    const worker = startWorker({ connection, stream: "STORE" }, async (delivery) => {
      delivery.watch = watchWith({ stored: ({ sequence }) => told.push(sequence) });
      return textTo(`OUT.${delivery.sequence}`);
    });
    await until(() => worker.counts.failed >= 3);
    expect(await queue.state()).toEqual({ pending: 0, ackPending: 3 });
    expect(told).toEqual([]);
    await createLog(connection, "OUT");
    await until(() => queue.isDone());
    expect(await countStored(connection, "OUT")).toBe(3);
    expect(told.sort()).toEqual([1, 2, 3]);
  });

  it("whose outcome another worker stored already is acknowledged, and told what is stored", async () => {
    const queue = await createQueue(connection, "AGAIN", { count: 1 });
    await createLog(connection, "AGAINOUT");
    await connection.nats.jetstream().publish("AGAINOUT.a", "theirs");
    let existing: Uint8Array | undefined;
    const worker = startWorker({ connection, stream: "AGAIN" }, async (delivery) => {
      delivery.watch = watchWith({
        stored: (stored) => {
          existing = stored.existing;
        },
      });
      return textTo("AGAINOUT.a", "ours");
    });
    await until(() => queue.isDone());
    expect(Buffer.from(existing ?? []).toString()).toBe("theirs");
    expect(worker.counts).toEqual({ processed: 1, failed: 0, inFlight: 0, duplicates: 1 });
  });
});

describe("a failure", () => {
  it("comes again, each time after a longer wait, and is noted", async () => {
    const queue = await createQueue(connection, "FAIL", { count: 1 });
    const at: number[] = [];
    const notes: string[] = [];
    const backoffMs = 200;
    const options = { connection, stream: "FAIL", backoffMs, note: (text: string) => notes.push(text) };
    startWorker(options, async ({ attempt }) => {
      at.push(performance.now());
      if (attempt < 3) throw new Error("the gateway is away");
      return undefined;
    });
    await until(() => queue.isDone());
    const [first = 0, second = 0, third = 0] = at;
    expect(at).toHaveLength(3);
    expect(second - first).toBeGreaterThanOrEqual(backoffMs * 0.75 - 5);
    expect(third - second).toBeGreaterThanOrEqual(backoffMs * 1.5 - 5);
    expect(third - first).toBeLessThan(5000);
    // The second note is held back: a thousand failures a second are no thousand lines.
    await until(() => notes.length === 2);
    expect(notes).toEqual([
      expect.stringMatching(/FAIL\.0 .*attempt 1.*the gateway is away/),
      expect.stringMatching(/FAIL\.0 .*attempt 2.*the gateway is away/),
    ]);
  });

  it("is none where the processor asks for the delivery later: it comes after that time, and does not count", async () => {
    const queue = await createQueue(connection, "LATER", { count: 1 });
    const at: number[] = [];
    const notes: string[] = [];
    const note = (text: string) => notes.push(text);
    const worker = startWorker({ connection, stream: "LATER", note }, async ({ attempt }) => {
      at.push(performance.now());
      if (attempt < 3) throw new RetryLater(attempt * 100, "the shop is closed");
      return undefined;
    });
    await until(() => queue.isDone());
    const [first = 0, second = 0, third = 0] = at;
    expect(second - first).toBeGreaterThanOrEqual(100 - 5);
    expect(third - second).toBeGreaterThanOrEqual(200 - 5);
    expect(worker.counts).toMatchObject({ processed: 1, failed: 0 });
    await until(() => notes.length > 0);
    expect(notes[0]).toMatch(/LATER\.0 .*comes again later: the shop is closed/);
  });

  it("does not keep the others from being processed, even one at a time", async () => {
    const queue = await createQueue(connection, "POISON", { count: 20 });
    const done = new Set<number>();
    startWorker({ connection, stream: "POISON", concurrency: 1 }, async ({ sequence }) => {
      if (sequence === 1) throw new Error("poisoned");
      done.add(sequence);
      return undefined;
    });
    await until(() => done.size === 19);
    // The last acknowledgement is counted a moment later than it is sent.
    await until(async () => (await queue.state()).ackPending === 1);
    expect(await queue.state()).toEqual({ pending: 0, ackPending: 1 });
  });
});

describe("the load", () => {
  it("of a worker never exceeds its concurrency, and uses it", async () => {
    const queue = await createQueue(connection, "BOUND", { count: 400 });
    let now = 0;
    let most = 0;
    startWorker({ connection, stream: "BOUND", concurrency: 16 }, async () => {
      now += 1;
      most = Math.max(most, now);
      await wait(2);
      now -= 1;
      return undefined;
    });
    await until(() => queue.isDone());
    expect(most).toBe(16);
  });

  it("is shared by two workers, each message processed once", async () => {
    const queue = await createQueue(connection, "SHARE", { count: 400 });
    const other = await openTestConnection(broker.url);
    const seen: number[] = [];
    const process = async ({ sequence }: Delivery) => {
      await wait(2);
      seen.push(sequence);
      return undefined;
    };
    const options = { stream: "SHARE", concurrency: 4 };
    const workers = [connection, other].map((each) => startWorker({ ...options, connection: each }, process));
    await until(() => queue.isDone());
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 400 }, (_, index) => index + 1));
    for (const worker of workers) expect(worker.counts.processed).toBeGreaterThan(40);
    await Promise.all(workers.map((worker) => worker.stop(1000)));
    await other.close();
  });

  it("of many handlers that heed the signal is no leak that Node warns of", async () => {
    const queue = await createQueue(connection, "HEED", { count: 40 });
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on("warning", onWarning);
    startWorker({ connection, stream: "HEED", concurrency: 40 }, (_, signal) =>
      wait(50, undefined, { signal }),
    );
    await until(() => queue.isDone());
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });

  it("that takes longer than the ack wait is not delivered again meanwhile", async () => {
    const queue = await createQueue(connection, "LONG", { count: 2, ackWaitMs: 1000 });
    const attempts: number[] = [];
    startWorker({ connection, stream: "LONG", ackWaitMs: 1000 }, async ({ attempt }) => {
      attempts.push(attempt);
      await wait(2500);
      return undefined;
    });
    await until(() => queue.isDone());
    expect(attempts).toEqual([1, 1]);
  });
});
