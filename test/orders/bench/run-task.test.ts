import { afterAll, beforeAll, expect, test } from "vitest";
import { resolveConfig } from "../../../src/cli/config.ts";
import { runTask } from "../../../src/orders/bench/run-task.ts";
import type { WorkTask } from "../../../src/orders/bench/task.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";

let broker: TestBroker;
beforeAll(async () => {
  broker = await startTestBroker();
});
afterAll(() => broker.stop());

const note = () => {};

const work = (server: string): WorkTask => ({
  kind: "work",
  side: "orderctl",
  connection: resolveConfig({ server }, {}).connection,
  brokerPid: null,
  stages: 1,
  count: 10,
  rate: 0,
  concurrency: 16,
  window: 16,
});

test("tells the reason for which a process could not do its task", async () => {
  const { signal } = new AbortController();
  await expect(runTask(work("nats://127.0.0.1:1"), { signal, note })).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("127.0.0.1:1"),
  });
});

test("ends a process that waits for ever when it is told to, with the caller's reason", async () => {
  const stop = new AbortController();
  const reason = new Error("enough");
  const onReady = () => stop.abort(reason);
  await expect(runTask(work(broker.url), { signal: stop.signal, note, onReady })).rejects.toBe(reason);
});

test("starts nothing after the end", async () => {
  const signal = AbortSignal.abort(new Error("over"));
  await expect(runTask(work(broker.url), { signal, note })).rejects.toThrow("over");
});
