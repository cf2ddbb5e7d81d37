import { expect, it, onTestFinished } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { readLastSequence } from "../../src/jetstream/streams/read-message.ts";
import { startSimulator } from "../orders/gateway/test-simulator.ts";
import { readShelf, reservedUnits, unitsToGiveBack } from "../orders/stock/shelf-and-log.ts";
import { eventsOf, isDrained, readLog } from "../support/read-log.ts";
import type { TestCluster } from "../support/start-test-cluster.ts";
import { launch, orderctl, supervise } from "../support/supervised.ts";
import { until } from "../support/until.ts";
import { applyHastyTopology, clusterOf, connectTo, refusesReplicas } from "./cluster-of-test.ts";

/** Leaders that are killed; `npm run test:cluster` kills 20. */
const kills = Number(process.env.ORDERCTL_CLUSTER_KILLS ?? 2);
const ordersPerS = 100;
/** So many events have to be stored between two disturbances. */
const progress = 200;
const defaultStock = 20 + 10 * kills;

type Scene = { cluster: TestCluster; connection: Connection; hasEnded: () => boolean };

/** Waits until the pipeline has stored some more events. */
async function whenWorking({ connection, hasEnded }: Scene): Promise<void> {
  let enough = Number.POSITIVE_INFINITY;
  await until(async () => {
    if (hasEnded()) throw new Error("the publisher gave up");
    const sequence = await readLastSequence(connection, "ORDERS").catch(() => 0);
    if (sequence > 0) enough = Math.min(enough, sequence + progress);
    return sequence >= enough;
  }, 90_000);
}

/** In turn of the log, of the stock and of the payments. */
async function leaderToKill({ cluster }: Scene, kill: number) {
  if (kill % 4 === 1) return cluster.leaderOf("KV_INVENTORY");
  return kill % 4 === 3 ? cluster.leaderOf("ORDERS", "payment-processor") : cluster.leaderOf("ORDERS");
}

/** Everything that may happen to one of three nodes, each time in the thick of the work. */
async function disturb(scene: Scene): Promise<void> {
  const { cluster } = scene;
  for (let kill = 0; kill < kills; kill += 1) {
    await whenWorking(scene);
    const leader = await leaderToKill(scene, kill);
    await leader.kill();
    await whenWorking(scene);
    await leader.restart();
    await cluster.whenCurrent();
  }
  const frozen = await cluster.leaderOf("ORDERS");
  await frozen.pause();
  expect(await cluster.leaderOf("ORDERS")).not.toBe(frozen);
  await whenWorking(scene);
  frozen.resume();
  await cluster.whenCurrent();
  for (const node of cluster.nodes) {
    await whenWorking(scene);
    await node.restart();
    await cluster.whenCurrent();
  }
  await whenWorking(scene);
}

/** Two workers and a publisher without an end, so that there is load for as long as it takes. */
function startPipeline(where: string, gateway: string) {
  const services = "payment inventory shipping notification --replicas 3";
  const flags = `--gateway ${gateway} --default-stock ${defaultStock}`;
  const workers = ["one", "two"].map((name) =>
    supervise(`serve ${services} ${flags} ${where} --instance ${name}`),
  );
  onTestFinished(async () => void (await Promise.all(workers.map((worker) => worker.stop()))));
  const publishing = launch(`publish order --count 1M --seed 42 --rate ${ordersPerS} --json ${where}`);
  onTestFinished(() => void publishing.stop("SIGKILL"));
  return { workers, publishing };
}

async function expectWholeLog(connection: Connection, stored: number): Promise<void> {
  const log = await readLog(connection);
  const idsOf = (kind: "created" | "payments" | "notifications") =>
    eventsOf(log, kind)
      .map(({ orderId }) => orderId)
      .sort();
  const created = idsOf("created");
  expect(new Set(created).size).toBe(stored);
  expect(idsOf("payments")).toEqual(created);
  expect(idsOf("notifications")).toEqual(created);
  const types = new Set(eventsOf(log, "notifications").map(({ type }) => type));
  expect(types).toEqual(new Set(["SHIPPED", "DECLINED", "REFUNDED"]));
  const reserved = reservedUnits(log);
  for (const [sku, stock] of await readShelf(connection)) {
    expect({ sku, stocked: stock.available + stock.reserved }).toEqual({ sku, stocked: defaultStock });
    const kept = stock.reserved - unitsToGiveBack(log, stock);
    expect({ sku, kept }).toEqual({ sku, kept: reserved.get(sku) ?? 0 });
  }
}

it.skipIf(refusesReplicas)(
  "loses no order, charges none twice and oversells nothing, whatever leader dies, is frozen or restarted",
  async () => {
    const cluster = await clusterOf({ onTestFinished });
    const connection = await connectTo({ onTestFinished }, cluster.nodes);
    await applyHastyTopology(connection);
    const gateway = await startSimulator({ declineShare: 0.05 });
    const where = `--server ${cluster.urls} --reconnect-wait 100ms --connect-timeout 2s`;
    const { workers, publishing } = startPipeline(where, gateway.url);
    await disturb({ cluster, connection, hasEnded: () => !publishing.isAlive() });

    const published = await publishing.stop("SIGINT");
    expect(published.exitCode, published.stderr).toBe(130);
    const { stored, duplicates } = JSON.parse(published.stdout).data;
    expect(duplicates).toBe(0);
    await until(() => isDrained(connection).catch(() => false), 90_000);
    const stopped = await Promise.all(workers.map((worker) => worker.stop()));
    expect(stopped.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    await expectWholeLog(connection, stored);
    const audit = await orderctl(`audit --gateway ${gateway.url} --json ${where}`);
    expect(audit.exitCode, `${audit.stdout}${audit.stderr}`).toBe(0);
    if (process.env.ORDERCTL_CLUSTER_KILLS) process.stdout.write(`${kills} leaders killed\n${audit.stdout}`);
  },
  900_000,
);
