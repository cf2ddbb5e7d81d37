import { describe, expect, it, onTestFinished } from "vitest";
import { flowTopology } from "../../src/flow/flow-topology.ts";
import { announceProcess, type ProcessStatus } from "../../src/flow/process-status.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import type { StreamLag } from "../../src/jetstream/streams/lag.ts";
import { orderShape } from "../../src/orders/flow.ts";
import type { TopSample } from "../../src/top/top-sample.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { runCommand } from "../support/run-command.ts";
import { startCommand } from "../support/start-command.ts";
import { until } from "../support/until.ts";

const statusOf = (instance: string, inFlight: () => number): ProcessStatus => ({
  ...{ instance, version: "1.0.0", services: ["payment"], startedAt: "2026-03-01T12:00:00.000Z" },
  ...{
    uptimeMs: 1000,
    stopping: false,
    problems: [],
    breakers: [],
    ordersUrl: null,
    metricsUrl: null,
    spansTo: null,
    archive: null,
  },
  workers: [{ consumer: "payment-processor", processed: 0, failed: 0, duplicates: 0, inFlight: inFlight() }],
});

/** A process that takes payments, and one day is there no longer, as after `kill -9`. */
async function startPayment(server: string, instance: string) {
  const connection = await openTestConnection(server);
  let held = 0;
  announceProcess(connection, () => statusOf(instance, () => held));
  const take = async (count: number, { ack }: { ack: boolean }) => {
    const consumer = await connection.nats.jetstream().consumers.get("ORDERS", "payment-processor");
    const messages = await consumer.fetch({ max_messages: count, expires: 2000 });
    for await (const message of messages) {
      if (ack) await message.ackAck();
      else held += 1;
    }
  };
  const kill = () => connection.nats.close();
  onTestFinished(kill);
  return { take, kill };
}

/** What `orderctl top` shows, from its start until the end of the test. */
function watchTop(server: string, words = ""): { text(): string; samples(): TopSample[] } {
  const line = `top --interval 50ms ${words} --server ${server}`;
  const { stdout } = startCommand(line, { columns: 200 });
  const lines = () => stdout().split("\n").slice(0, -1);
  return { text: stdout, samples: () => lines().map((one) => JSON.parse(one).data) };
}

const lagOf = async (server: string): Promise<StreamLag> =>
  (await runCommand(`lag --interval 50ms --json --server ${server}`)).lines()[0]?.data as never;

const paymentIn = ({ consumers }: StreamLag) =>
  consumers.find(({ consumer }) => consumer === "payment-processor");

async function world(orders: number): Promise<{ server: string; connection: Connection }> {
  const { broker, connection } = await brokerOfTest();
  await applyTopology(connection, flowTopology(orderShape));
  await runCommand(`publish order --count ${orders} --server ${broker.url}`);
  return { server: broker.url, connection };
}

describe("a process that was killed", () => {
  it("is told first by top, with what it holds and until when, and stays in its list", async () => {
    const { server } = await world(5);
    const till = await startPayment(server, "till");
    await till.take(5, { ack: false });
    const top = watchTop(server);
    const topJson = watchTop(server, "--json");
    await until(() => / till +payment +1\.0 s /.test(` ${top.text()}`.replaceAll("\n", " ")));
    await until(() => topJson.samples().some(({ processes }) => processes.length === 1));
    const before = Date.now();
    await till.kill();
    await until(() =>
      /^till is gone since [\d.]+ m?s, holds 5 until \d\d:\d\d:\d\d; orders /m.test(top.text()),
    );
    await until(() => topJson.samples().some(({ gone }) => gone.length > 0));
    const sample = topJson.samples().find(({ gone }) => gone.length > 0);
    expect(sample?.gone).toMatchObject([{ instance: "till", holds: 5, held: { "payment-processor": 5 } }]);
    const againMs = Date.parse(sample?.gone[0]?.comesAgainBy ?? "") - before;
    expect(againMs).toBeGreaterThan(29_000);
    expect(againMs).toBeLessThan(40_000);
    expect(sample && paymentIn(sample.lag)).toMatchObject({ state: "held", unclaimed: 5 });
    expect(top.text()).toMatch(/^till +payment +gone [\d.]+ m?s +- +- +5 +-$/m);
  });

  it("leaves nobody to keep up with what it holds, however well another works", async () => {
    const { server } = await world(3);
    const till = await startPayment(server, "till");
    await till.take(3, { ack: false });
    const other = await startPayment(server, "other");
    const top = watchTop(server, "--json");
    await until(() => top.samples().some(({ processes }) => processes.length === 2));
    await till.kill();
    await runCommand(`publish order --count 100 --server ${server}`);
    await until(() => top.samples().some(({ gone }) => gone.length > 0));
    await other.take(100, { ack: true });
    const after = top.samples().length;
    await until(() => top.samples().length > after + 2);
    const last = top.samples().at(-1);
    expect(last?.gone).toMatchObject([{ instance: "till", holds: 3 }]);
    expect(last && paymentIn(last.lag)).toMatchObject({ ackPending: 3, unclaimed: 3, state: "held" });
  });

  it("is known to lag by what nobody holds that answers", async () => {
    const { server } = await world(5);
    const till = await startPayment(server, "till");
    await till.take(4, { ack: false });
    expect(paymentIn(await lagOf(server))).toMatchObject({ ackPending: 4, unclaimed: 0, state: "idle" });
    await till.kill();
    const lag = await lagOf(server);
    expect(paymentIn(lag)).toMatchObject({ ackPending: 4, unclaimed: 4, state: "held" });
    const againMs = Date.parse(paymentIn(lag)?.comesAgainBy ?? "") - Date.parse(lag.sampledAt);
    expect(againMs).toBeGreaterThan(0);
    expect(againMs).toBeLessThanOrEqual(30_000);
    const { stdout } = await runCommand(`lag --interval 50ms --server ${server}`, { columns: 200 });
    expect(stdout).toMatch(
      /^ORDERS: 5 .*; 4 deliveries of payment-processor are held by nobody that answers, until \d\d:/,
    );
  });
});
