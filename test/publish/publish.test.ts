import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { readLastSequence } from "../../src/jetstream/streams/read-message.ts";
import type { PublishReport } from "../../src/orders/publish/publish-report.ts";
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

/** Every test begins with a broker that knows nothing of orders. */
beforeEach(async () => {
  for await (const stream of connection.jsm.streams.list())
    await connection.jsm.streams.delete(stream.config.name);
});

const publish = (words: string, signal?: AbortSignal): Promise<Ran> =>
  runCommand(`publish order ${words} --server ${broker.url}`, signal ? { signal } : {});

function reportOf(ran: Ran): PublishReport {
  const [line] = ran.lines();
  if (line?.kind !== "publish-report") throw new Error(`no report: ${ran.stdout}${ran.stderr}`);
  return line.data;
}

const countEvents = () => readLastSequence(connection, "ORDERS").catch(() => 0);

describe("publish order --wait, with all services running", () => {
  it("brings each of 500 orders to exactly one end, and tells how they ended and how long it took", async () => {
    const serving = serve(broker.url, `${workers} --decline-share 10%`);
    const ran = await publish("--count 500 --seed 11 --wait --json");
    expect(ran.exitCode).toBe(0);
    const report = reportOf(ran);
    expect(report).toMatchObject({ stored: 500, duplicates: 0, seed: 11, rejected: 0 });
    expect(report.endings?.ended).toBe(500);
    expect((await serving.stop()).exitCode).toBe(0);

    const log = await readLog(connection);
    const created = eventsOf(log, "created").map(({ orderId }) => orderId);
    const notified = eventsOf(log, "notifications");
    expect(created).toHaveLength(500);
    expect(notified.map(({ orderId }) => orderId).sort()).toEqual(created.toSorted());
    const of = (type: string) => notified.filter((event) => event.type === type).length;
    expect(report.endings?.outcomes).toEqual({
      SHIPPED: of("SHIPPED"),
      DECLINED: of("DECLINED"),
      REFUNDED: 0,
    });
    expect(of("DECLINED")).toBeGreaterThan(20);
    expect(of("SHIPPED") + of("DECLINED")).toBe(500);
    const { p50Ms = 0, p99Ms = 0, maxMs = 0 } = report.endings?.latency ?? {};
    expect([0, p50Ms, p99Ms, maxMs, report.seconds * 1000 + 10_000]).toEqual(
      [0, p50Ms, p99Ms, maxMs, report.seconds * 1000 + 10_000].toSorted((a, b) => a - b),
    );
    await until(async () => Object.keys(await readBacklog(connection)).length === 0, 2000);
  });

  it("waits for an order that a file has twice, and says that one of both was there already", async () => {
    const serving = serve(broker.url, workers);
    const line = '{"order_id":"twice-1","lines":[{"sku":"MUG","quantity":1,"unit_price":"1.00"}]}';
    const words = `publish order --file - --format ndjson --wait --json --server ${broker.url}`;
    const ran = await runCommand(words, { stdin: `${line}\n${line}\n` });
    expect(ran.exitCode).toBe(0);
    expect(reportOf(ran)).toMatchObject({ stored: 1, duplicates: 1, conflicts: 0, endings: { ended: 1 } });
    await serving.stop();
  });

  it("does not wait for orders that were there before", async () => {
    await publish("--count 20 --seed 11");
    const ran = await publish("--count 20 --seed 11 --wait");
    expect(ran.exitCode).toBe(0);
    expect(ran.stdout).toMatch(/^nothing new: all 20 orders were already stored, seed 11\n/);
  });
});

describe("publish order --wait, with nobody to process", () => {
  it("gives up after its patience, exits 5 and says where to look; the orders are stored", async () => {
    const ran = await publish("--count 3 --wait --patience 200ms --json");
    expect(ran.exitCode).toBe(5);
    expect(reportOf(ran)).toMatchObject({
      stored: 3,
      endings: { ended: 0, latency: null },
      resumeCommand: null,
    });
    expect(JSON.parse(ran.stderr).data).toMatchObject({
      code: "timeout",
      message: "3 orders have not ended, and none did for 0.2 s",
      hint: expect.stringContaining("orderctl lag"),
    });
  });
});

describe("publish order", () => {
  it("stores the same seed once: the second time there is nothing new", async () => {
    const first = await publish("--count 30 --seed 5");
    const second = await publish("--count 30 --seed 5");
    expect(first.stdout).toMatch(/^30 orders stored in .*, seed 5\n/);
    expect(second.stdout).toMatch(/^nothing new: all 30 orders were already stored, seed 5\n/);
    expect([first.exitCode, second.exitCode]).toEqual([0, 0]);
    const more = reportOf(await publish("--count 40 --seed 5 --json"));
    expect(more).toMatchObject({ stored: 10, duplicates: 30 });
    expect(await countEvents()).toBe(40);
  });

  it("keeps to its rate", async () => {
    const { seconds, stored } = reportOf(await publish("--count 100 --rate 200 --json"));
    expect(stored).toBe(100);
    expect(seconds).toBeGreaterThanOrEqual(0.45);
    expect(seconds).toBeLessThan(2);
  });

  it("tells, when it is interrupted, exactly how many orders the log holds, and exits 130", async () => {
    const controller = new AbortController();
    const running = publish("--count 1M --rate 3000 --json", controller.signal);
    await until(async () => (await countEvents()) > 500);
    controller.abort("SIGINT");
    const ran = await running;
    expect(ran.exitCode).toBe(130);
    expect(reportOf(ran)).toMatchObject({ stored: await countEvents(), duplicates: 0 });
    expect(JSON.parse(ran.stderr).data).toMatchObject({ code: "interrupted", exitCode: 130 });
  });

  it("tells, when the log is full, how many orders it holds, and exits 3", async () => {
    await publish("--count 1");
    const { config } = await connection.jsm.streams.info("ORDERS");
    await connection.jsm.streams.update("ORDERS", { ...config, max_msgs: 100 });
    const ran = await publish("--count 5000 --json");
    expect(ran.exitCode).toBe(3);
    expect(reportOf(ran)).toMatchObject({ stored: 99 });
    expect(JSON.parse(ran.stderr).data).toMatchObject({ code: "stream_full" });
    expect(await countEvents()).toBe(100);
  });

  it.each([
    ["--profile burst", "--rate"],
    ["--count 0", "--count"],
    ["--count many", "--count"],
    ["--rate -1", "--rate"],
    ["--file orders.txt", "--format"],
    ["--file /nonexistent/orders.csv", "/nonexistent/orders.csv"],
  ])("%s exits 2, says what is wrong, and stores nothing", async (words, said) => {
    const ran = await publish(words);
    expect(ran.exitCode).toBe(2);
    expect(ran.stderr).toContain(said);
    expect(await countEvents()).toBe(0);
  });

  it("exits 3 within its timeout where no broker answers, and says what to run", async () => {
    const startedAt = performance.now();
    const ran = await runCommand("publish order --server nats://127.0.0.1:1 --timeout 500ms");
    expect(ran.exitCode).toBe(3);
    expect(ran.stderr).toContain("orderctl broker start");
    expect(performance.now() - startedAt).toBeLessThan(3000);
  });
});
