import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { setFaults } from "../orders/gateway/set-faults.ts";
import { readBooked } from "../orders/gateway/test-simulator.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { eventsOf, isDrained, readLog } from "../support/read-log.ts";
import { servingOfTest } from "../support/serving-of-test.ts";
import { isLong, size } from "../support/size.ts";
import { orderctl } from "../support/supervised.ts";
import { until } from "../support/until.ts";

const outageS = size({ short: 2, long: 60 });
const rate = 500;
const breakerOpenS = size({ short: 1, long: 15 });
/** The capacity is measured with a backlog that is worked off with everything in order, after as many to get warm. */
const measured = size({ short: 500, long: 20_000 });
/** How much longer than its least the work on the backlog may take. */
const slack = 2;
const patienceMs = size({ short: 60_000, long: 300_000 });

/** Seconds until nothing is left to deliver. */
async function drain(connection: Connection): Promise<number> {
  const startedAt = performance.now();
  await until(() => isDrained(connection), patienceMs);
  return (performance.now() - startedAt) / 1000;
}

async function readPending({ jsm }: Connection): Promise<number> {
  const { num_pending, num_ack_pending } = await jsm.consumers.info("ORDERS", "payment-processor");
  return num_pending + num_ack_pending;
}

it(`pays every order that came while its gateway was away for ${outageS} s, and gives up none`, {
  timeout: size({ short: 120_000, long: 900_000 }),
}, async ({ annotate }) => {
  const { broker, connection } = await brokerOfTest();
  const ledger = join(tmpdir(), `orderctl-outage-${process.pid}.ndjson`);
  onTestFinished(() => rm(ledger, { force: true }));
  const gateway = await servingOfTest(`gateway --gateway-port 0 --json --ledger ${ledger}`);
  const { url } = JSON.parse(gateway.stdout()).data;
  const where = `--server ${broker.url}`;
  const publish = (count: number, words: string) =>
    orderctl(`publish order --count ${count} ${words} ${where}`);

  const breaker = `--gateway ${url} --breaker-open ${breakerOpenS}s`;
  const serving = await servingOfTest(`payment inventory shipping notification ${breaker} --json ${where}`);
  await publish(measured, "--seed 1");
  await drain(connection);
  process.kill(serving.pid, "SIGSTOP");
  await publish(measured, "--seed 2");
  process.kill(serving.pid, "SIGCONT");
  const capacity = measured / (await drain(connection));

  const publishing = publish(rate * outageS, `--seed 3 --rate ${rate}`);
  await until(async () => (await readBooked(url, "charges")).length > 2 * measured, 30_000);
  await setFaults(url, { outage: true });
  const isOpen = () => serving.stderr().includes("PaymentService: open after");
  await until(isOpen, 30_000);
  expect(await publishing).toMatchObject({ exitCode: 0 });
  expect(await orderctl(`dlq list --json ${where}`)).toMatchObject({ exitCode: 0, stdout: "" });
  const backlog = await readPending(connection);
  expect(backlog).toBeGreaterThan(size({ short: 100, long: 25_000 }));

  await setFaults(url, {});
  const returnedAt = performance.now();
  await until(() => serving.stderr().includes("closed again"), patienceMs);
  const probedAfterS = (performance.now() - returnedAt) / 1000;
  const drainS = await drain(connection);
  const log = await readLog(connection);
  const total = 2 * measured + rate * outageS;
  expect(eventsOf(log, "payments")).toHaveLength(total);
  expect(eventsOf(log, "notifications")).toHaveLength(total);
  const orderIds = (await readBooked(url, "charges")).map(({ order_id }) => order_id);
  expect(new Set(orderIds).size).toBe(orderIds.length);
  expect(await orderctl(`dlq list --json ${where}`)).toMatchObject({ exitCode: 0, stdout: "" });
  expect(await orderctl(`audit --grace 0s --gateway ${url} ${where}`)).toMatchObject({ exitCode: 0 });
  // The failures that opened the breaker are all that ever used up an attempt.
  expect(log.filter(({ hop }) => (hop?.attempt ?? 1) > 1).length).toBeLessThanOrEqual(6);

  const leastS = backlog / capacity;
  if (isLong) expect(drainS).toBeLessThan(leastS * slack);
  await annotate(
    `backlog ${backlog} orders, capacity ${Math.round(capacity)}/s, so ${leastS.toFixed(1)} s at least; the breaker probed after ${probedAfterS.toFixed(1)} s, then drained in ${drainS.toFixed(1)} s (${(drainS / leastS).toFixed(2)} times the least)`,
  );
});
