import { expect, test } from "vitest";
import { resolveConfig } from "../../../src/cli/config.ts";
import { feed } from "../../../src/orders/bench/feed.ts";
import type { GenerateTask } from "../../../src/orders/bench/task.ts";

const task = (own: Partial<GenerateTask>): GenerateTask => ({
  kind: "generate",
  side: "bare",
  connection: resolveConfig({}, {}).connection,
  brokerPid: null,
  count: 100,
  rate: 0,
  window: 8,
  ...own,
});

test("without a rate keeps the window full and never exceeds it", async () => {
  const sent: number[] = [];
  let inFlight = 0;
  let most = 0;
  await feed(task({}), ({ stored }) => (index) => {
    sent.push(index);
    inFlight += 1;
    most = Math.max(most, inFlight);
    setImmediate(() => {
      inFlight -= 1;
      stored();
    });
  });
  expect(sent).toEqual(Array.from({ length: 100 }, (_, index) => index));
  expect(most).toBe(8);
});

test("at a rate sends what is due, however much is in flight", async () => {
  const startedAt = performance.now();
  const waiting: (() => void)[] = [];
  await feed(task({ rate: 1000 }), ({ stored }) => () => {
    waiting.push(stored);
    if (waiting.length === 100) for (const tell of waiting) tell();
  });
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(99);
});

test("fails with the first event that cannot be stored", async () => {
  const refused = feed(
    task({}),
    ({ failed }) =>
      () =>
        failed(new Error("stream is full")),
  );
  await expect(refused).rejects.toThrow("stream is full");
});
