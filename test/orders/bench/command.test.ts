import { afterEach, beforeEach, expect, test } from "vitest";
import { resolveConfig } from "../../../src/cli/config.ts";
import { type Connection, openConnection } from "../../../src/jetstream/client/connection.ts";
import type { BenchReport } from "../../../src/orders/bench/bench-report.ts";
import { runCommand } from "../../support/run-command.ts";
import { startTestBroker, type TestBroker } from "../../support/start-test-broker.ts";
import { until } from "../../support/until.ts";

const env = { ...process.env };

let broker: TestBroker;
let connection: Connection;
beforeEach(async () => {
  broker = await startTestBroker();
  connection = await openConnection(resolveConfig({ server: broker.url }, {}).connection);
});
afterEach(async () => {
  await connection.close();
  await broker.stop();
});

const streamNames = async () => (await connection.jsm.streams.list().next()).map(({ config }) => config.name);

function onlyReport(lines: { kind: string; data: unknown }[], kind: string): BenchReport {
  expect(lines.map((line) => line.kind)).toEqual([kind]);
  return lines[0]?.data as BenchReport;
}

test("stores events in all ways, on a broker of its own, and tells the ratios", async () => {
  const { exitCode, stderr, lines } = await runCommand("bench publish --rounds 1 --messages 400 --json", {
    env,
  });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const { parts, machine, rounds } = onlyReport(lines(), "bench-publish");
  expect({ rounds, node: machine.node }).toEqual({ rounds: 1, node: process.version });
  const [part] = parts;
  expect(part?.settings).toEqual({ count: 400, window: 256, bodyBytes: 120 });
  const rates = Object.fromEntries(part?.rows.map(({ way, perSecond }) => [way, perSecond]) ?? []);
  expect(Object.keys(rates)).toEqual(["client", "pipelined", "publisher", "publish-order"]);
  expect(part?.targets).toMatchObject([
    { value: (rates.publisher ?? 0) / (rates.pipelined ?? 0), limit: 0.9 },
    { value: (rates.publisher ?? 0) / (rates.client ?? 0), limit: 4 },
  ]);
  for (const row of part?.rows ?? []) {
    expect(row.p50Ms).toBeLessThanOrEqual(row.p99Ms ?? 0);
    expect(row.clientCpuUs).toBeGreaterThan(0);
    expect(row.brokerCpuUs === null).toBe(process.platform !== "linux");
  }
});

test("carries orders through one stage and through all, on the broker it is given, and leaves nothing", async () => {
  const line = `bench pipeline --rounds 1 --rate 100 --seconds 3 --count 200 --server ${broker.url} --json`;
  const { exitCode, stderr, lines } = await runCommand(line);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const [rate, capacity] = onlyReport(lines(), "bench-pipeline").parts;
  expect(rate?.rows.map(({ way }) => way)).toEqual(["bare", "orderctl"]);
  for (const { perSecond, p99Ms } of rate?.rows ?? []) {
    expect(perSecond).toBeGreaterThan(50);
    expect(p99Ms).toBeGreaterThan(0);
  }
  expect(capacity?.rows).toMatchObject([{ p99Ms: null, brokerCpuUs: null }, { p99Ms: null }]);
  expect(capacity?.targets[0]?.value).toBeGreaterThan(0);
  expect(await streamNames()).toEqual([]);
});

test("works off stages that are built in and that are defined, and leaves nothing", async () => {
  const line = `bench flows --rounds 1 --count 300 --server ${broker.url} --json`;
  const { exitCode, stderr, lines } = await runCommand(line);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const { parts } = onlyReport(lines(), "bench-flows");
  expect(parts.map(({ part }) => part)).toEqual(["shipping", "notification"]);
  for (const { rows, targets } of parts) {
    const [builtIn, defined] = rows;
    expect([builtIn?.way, defined?.way]).toEqual(["built-in", "defined"]);
    expect(targets).toMatchObject([
      { value: (defined?.perSecond ?? 0) / (builtIn?.perSecond ?? 0), limit: 0.8 },
    ]);
  }
  expect(await streamNames()).toEqual([]);
}, 60_000);

test("carries orders with and without spans, to collectors good and bad, and counts what is lost", async () => {
  const line = `bench tracing --rounds 1 --rate 100 --seconds 3 --count 200 --server ${broker.url} --json`;
  const { exitCode, stderr, lines } = await runCommand(line);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const [cost, everything] = onlyReport(lines(), "bench-tracing").parts;
  const ways = ["untraced", "traced", "slow", "refusing", "dying"];
  expect(cost?.rows.map(({ way }) => way)).toEqual(ways);
  expect(cost?.targets).toHaveLength(7);
  expect(everything?.targets).toMatchObject([{ name: "spans_lost", value: 0, met: true }]);
  expect(await streamNames()).toEqual([]);
}, 60_000);

test("refuses a broker that has an order log, and leaves the log alone", async () => {
  await connection.jsm.streams.add({ name: "ORDERS", subjects: ["ORDERS.>"] });
  const { exitCode, stdout, stderr } = await runCommand(`bench publish --server ${broker.url}`);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toContain("already has ORDERS");
  expect(await streamNames()).toEqual(["ORDERS"]);
});

test("ends when interrupted, and leaves nothing on the broker", async () => {
  const stop = new AbortController();
  const running = runCommand(`bench publish --messages 10M --server ${broker.url}`, { signal: stop.signal });
  const storing = async () => {
    const [log] = await connection.jsm.streams.list().next();
    return (log?.state.messages ?? 0) > 0;
  };
  await until(storing, 20_000);
  stop.abort();
  expect((await running).exitCode).toBe(130);
  expect(await streamNames()).toEqual([]);
});

test("refuses a time in which nothing would count", async () => {
  const { exitCode, stderr } = await runCommand("bench pipeline --seconds 2");
  expect(exitCode).toBe(2);
  expect(stderr).toContain("--seconds has to be more than 2");
});
