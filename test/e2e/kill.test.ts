import { expect, it, onTestFinished } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { readLastSequence } from "../../src/jetstream/streams/read-message.ts";
import { hastyTopology } from "../flow/hasty-topology.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { eventsOf, isDrained, readLog } from "../support/read-log.ts";
import type { TestBroker } from "../support/start-test-broker.ts";
import { orderctl, type Supervised, supervise } from "../support/supervised.ts";
import { until } from "../support/until.ts";

const count = 20_000;
const kills = 10;
const eventsBetweenKills = 7000;

/** Kills in turn a worker, the broker, the other worker, the broker …, each time in the thick of it. */
async function killInTurn(connection: Connection, broker: TestBroker, workers: [Supervised, Supervised]) {
  for (let kill = 0; kill < kills; kill += 1) {
    const isDue = (sequence: number) => sequence >= (kill + 1) * eventsBetweenKills;
    await until(() => readLastSequence(connection, "ORDERS").then(isDue, () => false), 20_000);
    if (kill % 2 === 0) await workers[kill % 4 === 0 ? 0 : 1].kill();
    else {
      await broker.kill();
      await broker.restart();
    }
  }
}

it("loses no order and charges none twice, whoever is killed how often", async () => {
  const { broker, connection } = await brokerOfTest();
  await applyTopology(connection, hastyTopology(4000));
  const where = `--server ${broker.url} --reconnect-wait 100ms`;
  const services = "payment inventory shipping notification --decline-share 5% --default-stock 2000";
  const workers: [Supervised, Supervised] = [
    supervise(`serve ${services} ${where} --instance one`),
    supervise(`serve ${services} ${where} --instance two`),
  ];
  onTestFinished(async () => void (await Promise.all(workers.map((worker) => worker.stop()))));

  const publishing = orderctl(`publish order --count ${count} --seed 42 --rate 3000 --json ${where}`);
  await killInTurn(connection, broker, workers);
  const published = await publishing;
  expect(published).toMatchObject({ exitCode: 0 });
  expect(JSON.parse(published.stdout).data).toMatchObject({ stored: count, duplicates: 0 });
  await until(() => isDrained(connection).catch(() => false), 40_000);
  // The other one may have done all the work while the last one that was killed started again.
  await until(() => workers.every((worker) => worker.stdout().includes("\n")), 40_000);
  const stopped = await Promise.all(workers.map((worker) => worker.stop()));
  expect(stopped.map(({ exitCode }) => exitCode)).toEqual([0, 0]);

  const log = await readLog(connection);
  const orderIds = (kind: "created" | "payments" | "notifications") =>
    eventsOf(log, kind).map(({ orderId }) => orderId);
  const created = orderIds("created").sort();
  expect(new Set(created).size).toBe(count);
  expect(orderIds("payments").sort()).toEqual(created);
  expect(orderIds("notifications").sort()).toEqual(created);
  const types = new Set(eventsOf(log, "notifications").map(({ type }) => type));
  expect(types).toEqual(new Set(["SHIPPED", "DECLINED", "REFUNDED"]));
  // Somebody was killed with work in hand, or this test would have shown nothing.
  expect(log.filter(({ hop }) => (hop?.attempt ?? 1) > 1).length).toBeGreaterThan(0);

  const audit = await orderctl(`audit --json ${where}`);
  expect(audit.exitCode, `${audit.stdout}${audit.stderr}`).toBe(0);
}, 120_000);
