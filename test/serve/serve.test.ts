import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { eventsOf, readBacklog, readLog } from "../support/read-log.ts";
import { type Ran, runCommand } from "../support/run-command.ts";
import { serve, workers } from "../support/serving.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

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

beforeEach(async () => {
  for await (const stream of connection.jsm.streams.list())
    await connection.jsm.streams.delete(stream.config.name);
});

const isServing = async (): Promise<boolean> =>
  connection.jsm.consumers.info("ORDERS", "notification-refunded").then(
    ({ num_waiting }) => num_waiting > 0,
    () => false,
  );

const count = async (subject: string): Promise<number> => {
  const { state } = await connection.jsm.streams.info("ORDERS", { subjects_filter: subject });
  return Object.keys(state.subjects ?? {}).length;
};

/** The log: one JSON object per line where stderr is no terminal. */
const logged = ({ stderr }: Ran): Record<string, unknown>[] =>
  stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("serve", () => {
  it("says what it serves, where and as whom, stops when it is told to, and exits 0", async () => {
    const serving = serve(broker.url, `${workers} --instance box-7`);
    await until(isServing);
    const ran = await serving.stop();
    expect(ran.exitCode).toBe(0);
    expect(ran.stdout).toBe(
      `serving payment, inventory, shipping, notification on ${broker.url} (nats-server ${broker.version}) as box-7; 1,000,000 units of each SKU that nobody has stocked - stop with Ctrl-C\n`,
    );
    expect(logged(ran)).toMatchObject([
      { level: "info", instance: expect.any(String), msg: expect.stringMatching(/^stopping: finishing/) },
    ]);
  });

  it("tells the same as JSON", async () => {
    const serving = serve(broker.url, "shipping --json --instance box-7");
    await until(async () => (await connection.jsm.streams.names().next()).length > 0);
    const [line] = (await serving.stop()).lines();
    expect(line).toMatchObject({ kind: "serving", version: 1 });
    expect(line?.data).toMatchObject({
      services: ["shipping"],
      broker: broker.url,
      instance: "box-7",
      url: null,
      drifts: [],
    });
  });

  it("stops under load well within its deadline, leaves nothing unacknowledged, and the next one goes on", async () => {
    const words = `${workers} --gateway-latency 20ms --concurrency 64`;
    const serving = serve(broker.url, words);
    const published = await runCommand(`publish order --count 3000 --server ${broker.url}`);
    expect(published.exitCode).toBe(0);
    await until(async () => (await count("ORDERS.notifications.*")) > 100);
    const startedAt = performance.now();
    const ran = await serving.stop();
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(ran.exitCode).toBe(0);
    const backlog = () => readBacklog(connection);
    await until(async () => Object.values(await backlog()).every(([, ackPending]) => ackPending === 0), 2000);
    expect((await backlog())["payment-processor"]?.[0]).toBeGreaterThan(0);

    serve(broker.url, workers);
    await until(async () => (await count("ORDERS.notifications.*")) === 3000, 30_000);
    const log = await readLog(connection);
    expect(new Set(eventsOf(log, "notifications").map(({ orderId }) => orderId)).size).toBe(3000);
    expect(eventsOf(log, "payments")).toHaveLength(3000);
  });

  it("goes on after a restart of its broker, and says that it was away", async () => {
    const own = await startTestBroker();
    const serving = serve(own.url, `${workers} --reconnect-wait 50ms`);
    const publish = (seed: number) =>
      runCommand(`publish order --count 50 --seed ${seed} --wait --server ${own.url}`);
    expect((await publish(1)).exitCode).toBe(0);
    await own.kill();
    await own.restart();
    expect((await publish(2)).exitCode).toBe(0);
    const ran = await serving.stop();
    expect(ran.exitCode).toBe(0);
    expect(logged(ran).slice(0, 2)).toMatchObject([
      { level: "warn", msg: expect.stringMatching(/^lost the broker at/) },
      { level: "info", msg: expect.stringMatching(/^back at the broker/) },
    ]);
    await own.stop();
  });

  it.each([
    ["bakery", "bakery"],
    ["", "service"],
    ["payment --concurrency 0", "--concurrency"],
    ["payment --replicas 9", "--replicas"],
    ["payment --decline-share 120%", "--decline-share"],
    ["payment --log-level loud", "log level"],
  ])("%j exits 2 and says what is wrong", async (words, said) => {
    const ran = await runCommand(`serve ${words} --server ${broker.url}`.split(/ +/));
    expect(ran.exitCode).toBe(2);
    expect(ran.stderr).toContain(said);
  });
});
