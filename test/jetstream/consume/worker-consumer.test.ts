import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { findBroker } from "../../../src/broker/find-broker.ts";
import { startBroker } from "../../../src/broker/start-broker.ts";
import { isOlder } from "../../../src/core/compare-versions.ts";
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

/** As an operator does it: what the consumer is from now on, beside what it is. */
const change = (stream: string, settings: object) =>
  connection.jsm.consumers.update(stream, "worker", settings as never);

function startNoting(stream: string) {
  const notes: string[] = [];
  const worker = startWorker({ connection, stream, note: (text) => notes.push(text) }, async () => undefined);
  return { worker, notes };
}

describe("a worker of a consumer that allows little", () => {
  // Every pull used to be refused, without a word.
  it.each([
    ["max_batch", { max_batch: 3 }],
    ["max_batch of one", { max_batch: 1 }],
    ["max_expires", { max_expires: 300e6 }],
    ["max_bytes", { max_bytes: 10 }],
    ["max_ack_pending", { max_ack_pending: 1 }],
  ])("works within its %s, and has nothing to tell", async (name, settings) => {
    const stream = `FEW-${name.replaceAll(" ", "-")}`;
    const queue = await createQueue(connection, stream, { count: 30 });
    await change(stream, settings);
    const { worker, notes } = startNoting(stream);
    await until(() => queue.isDone());
    expect(worker.problems).toEqual([]);
    expect(notes).toEqual([]);
  });

  it("keeps all its places busy although a pull may ask for one message only", async () => {
    await createQueue(connection, "SINGLE", { count: 40 });
    await change("SINGLE", { max_batch: 1 });
    const options = { connection, stream: "SINGLE", concurrency: 32 };
    const worker = startWorker(options, () => new Promise(() => {}));
    await until(() => worker.counts.inFlight === 32);
  });

  it("keeps within what somebody allows it while it runs", async () => {
    const queue = await createQueue(connection, "LOWER", { count: 10 });
    const { worker, notes } = startNoting("LOWER");
    await until(() => queue.isDone());
    await change("LOWER", { max_batch: 2, max_expires: 200e6 });
    for (let n = 0; n < 20; n += 1) await connection.nats.jetstream().publish(`LOWER.more-${n}`);
    await until(() => worker.counts.processed === 30);
    expect(worker.problems).toEqual([]);
    expect(notes).toEqual([]);
  });
});

// All pulls used to be refused, as nobody had set the limit on the consumer.
it("works within a limit that the server has of its own", async () => {
  const binary = await findBroker({ env: process.env });
  const storeDir = await mkdtemp(join(tmpdir(), "orderctl-test-"));
  onTestFinished(() => rm(storeDir, { recursive: true, force: true }));
  const before = await startBroker({ binary, storeDir, noAuth: true });
  const earlier = await openTestConnection(before.url);
  await createQueue(earlier, "LIMITED", { count: 20 });
  await earlier.close();
  await before.stop();
  const limits = `jetstream { store_dir: ${JSON.stringify(storeDir)}, limits { max_request_batch: 3 } }`;
  const limited = await startBroker({ binary, storeDir, noAuth: true, extraConfig: limits });
  onTestFinished(() => limited.stop());
  const later = await openTestConnection(limited.url);
  onTestFinished(() => later.close());
  const worker = startWorker({ connection: later, stream: "LIMITED" }, async () => undefined);
  await until(() => worker.counts.processed === 20);
  expect(worker.problems).toEqual([]);
});

describe("a worker that cannot work", () => {
  it("says once that its consumer is gone, and goes on when it is there again", async () => {
    const queue = await createQueue(connection, "GONE", { count: 5 });
    const { config } = await connection.jsm.consumers.info("GONE", "worker");
    const { worker, notes } = startNoting("GONE");
    await until(() => queue.isDone());
    await connection.jsm.consumers.delete("GONE", "worker");
    await until(() => worker.problems.length === 1);
    const text = "there is no such consumer on stream GONE: `orderctl topology apply` makes it anew";
    expect(worker.problems).toEqual([{ text, forMs: expect.any(Number) }]);
    await connection.jsm.consumers.add("GONE", config);
    await until(() => worker.counts.processed === 10);
    await until(() => worker.problems.length === 0);
    expect(notes).toEqual([
      `worker: ${text}`,
      expect.stringMatching(/^worker: over after \d+\.\d s: there is no/),
    ]);
  });

  // What was delivered twice used to be lost without a word.
  it.each([
    ["max_deliver", { max_deliver: 2 }, { max_deliver: -1 }],
    ["headers_only", { headers_only: true }, { headers_only: false }],
  ])("takes nothing while %s would lose messages, and goes on when it is set back", async (name, bad, good) => {
    const stream = `STILL-${name}`;
    const queue = await createQueue(connection, stream, { count: 5 });
    await change(stream, bad);
    const { worker, notes } = startNoting(stream);
    await until(() => worker.problems.length === 1);
    expect(worker.problems[0]?.text).toMatch(new RegExp(`^stands still, as its consumer has ${name} `));
    expect(await queue.state()).toEqual({ pending: 5, ackPending: 0 });
    await change(stream, good);
    await until(() => queue.isDone());
    expect(notes).toHaveLength(2);
  });

  // Its pulls passed over all that the new filter leaves out, and nobody was told.
  it("takes nothing of a consumer that is given another filter meanwhile, and goes on when it has its own", async () => {
    const queue = await createQueue(connection, "FILTER", { count: 5 });
    await change("FILTER", { filter_subject: "FILTER.*" });
    const { worker } = startNoting("FILTER");
    await until(() => queue.isDone());
    await change("FILTER", { filter_subject: "FILTER.nothing" });
    await until(() => worker.problems.length === 1);
    expect(worker.problems[0]?.text).toMatch(
      /^stands still, as its consumer was given the filter "FILTER.nothing"/,
    );
    await change("FILTER", { filter_subject: "FILTER.*" });
    await until(() => worker.problems.length === 0);
  });

  it("says so of a consumer that somebody made push based", async () => {
    await createQueue(connection, "PUSH", { count: 1 });
    await connection.jsm.consumers.delete("PUSH", "worker");
    const push = { durable_name: "worker", ack_policy: "explicit", deliver_subject: "somewhere" };
    await connection.jsm.consumers.add("PUSH", push as never);
    const { worker } = startNoting("PUSH");
    await until(() => worker.problems.length === 1);
    expect(worker.problems[0]?.text).toMatch(
      /^stands still, as its consumer has deliver_subject "somewhere"/,
    );
  });

  it("says until when its consumer is paused", async (context) => {
    if (isOlder(broker.version, "2.11.0")) context.skip("before nats-server 2.11 no consumer can be paused");
    const queue = await createQueue(connection, "PAUSED", { count: 3 });
    const until1h = new Date(Date.now() + 3_600_000).toISOString();
    const pause = (pause_until?: string) =>
      connection.nats.request("$JS.API.CONSUMER.PAUSE.PAUSED.worker", JSON.stringify({ pause_until }));
    await pause(until1h);
    const { worker } = startNoting("PAUSED");
    await until(() => worker.problems.length === 1);
    expect(worker.problems[0]?.text).toMatch(/^its consumer is paused until \d{4}-/);
    expect((await queue.state()).pending).toBe(3);
    await pause();
    await until(() => queue.isDone());
    await until(() => worker.problems.length === 0);
  });

  // Where nobody may wait, pulls were refused four times a second.
  it("asks ever more seldom while its pulls are refused", async () => {
    await createQueue(connection, "CROWD");
    await connection.jsm.consumers.delete("CROWD", "worker");
    const crowd = { durable_name: "worker", ack_policy: "explicit", max_waiting: 1 };
    await connection.jsm.consumers.add("CROWD", crowd as never);
    const ask = JSON.stringify({ batch: 1, expires: 60e9 });
    connection.nats.publish("$JS.API.CONSUMER.MSG.NEXT.CROWD.worker", ask, { reply: connection.newInbox() });
    let pulls = 0;
    const countPull = () => {
      pulls += 1;
    };
    const watching = await openTestConnection(broker.url);
    onTestFinished(() => watching.close());
    watching.nats.subscribe("$JS.API.CONSUMER.MSG.NEXT.CROWD.worker", { callback: countPull });
    await watching.nats.flush();
    const startedAt = performance.now();
    startNoting("CROWD");
    await until(() => performance.now() - startedAt > 3000);
    expect(pulls).toBeGreaterThan(1);
    expect(pulls).toBeLessThan(6);
  });
});
