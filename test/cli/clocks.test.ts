import { headers, type MsgHdrs } from "nats";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import {
  type DeadLetterMark,
  deadLetterHeader,
  encodeMark,
} from "../../src/jetstream/dead-letters/dead-letter.ts";
import { generateOrders } from "../../src/orders/publish/open-order-source.ts";
import { serveText } from "../orders/gateway/serve-text.ts";
import { ways } from "../orders/order-log.ts";
import { brokerOfTest } from "../support/broker-of-test.ts";
import { openLogWriter } from "../support/log-writer.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { runCommand } from "../support/run-command.ts";
import { serve, workers } from "../support/serving.ts";
import { shiftClock } from "../support/shift-clock.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

let broker: TestBroker;
let connection: Connection;
let orderId: string;
let storedMs: number;

/** Three orders that nobody works on. */
beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
  const orders = [...generateOrders(3, 1).orders];
  orderId = orders[0]?.orderId ?? "";
  const log = await openLogWriter(connection);
  await log.store(...orders);
  log.close();
  await connection.nats.jetstream().publish("DEAD_LETTERS.payment.o-1", "", { headers: deadLetter() });
  storedMs = performance.now();
  await until(() => performance.now() - storedMs > 300);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

afterEach(() => vi.unstubAllGlobals());

/** What a worker wrote whose clock is an hour ahead. */
function deadLetter(): MsgHdrs {
  const header = headers();
  const mark: DeadLetterMark = {
    ...{ delivery: "ORDERS.payment-processor.1", reason: "internal", detail: "", attempts: 8 },
    ...{ consumer: "payment-processor", service: "payment", instance: "till" },
    origin: { stream: "ORDERS", subject: "ORDERS.created.o-1", sequence: 1, storedAtUs: 1 },
    atUs: (Date.now() + 3_600_000) * 1000,
    ...{ redriveOf: null, omittedBytes: null },
  };
  header.set(deadLetterHeader, encodeMark(mark));
  return header;
}

const run = (words: string) => runCommand(`${words} --server ${broker.url}`);

/** ms; what was stored is a little younger by any clock that is right. */
const youngMs = 60_000;

describe.each([
  ["ahead of", 600_000],
  ["behind", -600_000],
])("where this machine's clock is 10 minutes %s the broker's", (apart, byMs) => {
  const note = `this machine's clock is 10m00s ${apart} the broker's; ages are by the broker's clock\n`;
  const clock = { aheadMs: expect.closeTo(byMs, -4), errorMs: expect.any(Number) };

  it("audit takes orders for under way as long as they are, and no longer", async () => {
    shiftClock(byMs);
    const young = await run("audit --grace 5m --json");
    expect(young.lines()[0]?.data).toMatchObject({ verdict: "PASS", underWay: 3, clock });
    expect(young).toMatchObject({ exitCode: 0, stderr: note });
    const late = await run("audit --grace 100ms --json");
    expect(late.lines()[0]?.data).toMatchObject({ verdict: "FAIL", underWay: 0 });
  });

  it("replay finds what was stored within an age by the broker's clock", async () => {
    shiftClock(byMs);
    const messagesOf = async (words: string) => {
      const ran = await run(`replay ${words} --dry-run --json`);
      expect(ran.stderr).toBe(note);
      const [line] = ran.lines();
      expect(line?.data).toMatchObject({ clock });
      return (line?.data as unknown as { messages: number }).messages;
    };
    expect(await messagesOf("--since 5m")).toBe(3);
    expect(await messagesOf("--until 5m")).toBe(0);
    expect(await messagesOf("--since 5m --until 0s")).toBe(3);
    expect(await messagesOf("--since 100ms")).toBe(0);
  });

  it("lag tells the age of the oldest message, and when by the broker's clock", async () => {
    const now = shiftClock(byMs);
    const ran = await run("lag --interval 20ms --json");
    expect(ran.stderr).toBe(note);
    const lag = ran.lines()[0]?.data as unknown as {
      sampledAt: string;
      consumers: { consumer: string; oldestAgeMs: number }[];
    };
    expect(lag).toMatchObject({ clock });
    expect(Math.abs(Date.parse(lag.sampledAt) - now())).toBeLessThan(youngMs);
    const payment = lag.consumers.find(({ consumer }) => consumer === "payment-processor");
    expect(payment?.oldestAgeMs).toBeGreaterThan(300);
    expect(payment?.oldestAgeMs).toBeLessThan(youngMs);
  });

  it("trace tells since when an order waits", async () => {
    shiftClock(byMs);
    const ran = await run(`trace ${orderId} --json`);
    expect(ran.stderr).toBe(note);
    const trace = ran.lines()[0]?.data as unknown as { waitingMs: number; totalMs: number };
    expect(trace).toMatchObject({ clock });
    expect(trace.waitingMs).toBeGreaterThan(300);
    expect(trace.waitingMs).toBeLessThan(youngMs);
  });

  it("dlq list knows how old a dead letter is, whatever the clock of the worker was", async () => {
    shiftClock(byMs);
    const ran = await run("dlq list --since 5m");
    expect(ran.stdout).toMatch(/^1 dead letter\n/);
    expect(ran.stderr).toBe(note);
    expect((await run("dlq list --since 100ms")).stdout).toMatch(/^no dead letters/);
  });

  it("status says how the clocks stand", async () => {
    shiftClock(byMs);
    const ran = await run("status --json");
    expect(ran.lines()[0]?.data).toMatchObject({ broker: { clock } });
    expect((await run("status")).stdout.replaceAll("\n", " ")).toContain("this machine's clock is 10m00s");
  });
});

describe.each([
  ["ahead of", 600_000],
  ["behind", -600_000],
  ["as", 0],
])("where the payment gateway's clock is 10 minutes %s the others", (_, aheadMs) => {
  /** What audit says of a log with one order that has ended, and of these bookings. */
  async function auditOf(...charges: { order: string; ageMs: number }[]) {
    const { broker: own, connection: writing } = await brokerOfTest();
    const log = await openLogWriter(writing);
    await log.store(...ways.SHIPPED("o-1"));
    log.close();
    const lines = charges.map(({ order, ageMs }) => {
      const booked_at = new Date(Date.now() + aheadMs - ageMs).toISOString();
      return `${JSON.stringify({ idempotency_key: order, status: "approved", booked_at })}\n`;
    });
    const gateway = await serveText({ "/charges": lines.join(""), "/refunds": "" }, aheadMs);
    const ran = await runCommand(`audit --gateway ${gateway} --json --server ${own.url}`);
    return ran.lines()[0]?.data as unknown as { verdict: string; offenders: { orderId: string }[] };
  }

  it("audit compares its books with the log all the same", async () => {
    expect(await auditOf({ order: "o-1", ageMs: 20 })).toMatchObject({ verdict: "PASS", booked: 1 });
  });

  it("audit leaves out what was booked since it began, and nothing that is older", async () => {
    const later = { order: "later", ageMs: -30_000 };
    expect(await auditOf({ order: "o-1", ageMs: 20 }, later)).toMatchObject({ verdict: "PASS", booked: 1 });
    const stray = await auditOf({ order: "o-1", ageMs: 20 }, { order: "stray", ageMs: 30_000 });
    expect(stray).toMatchObject({ verdict: "FAIL", offenders: [{ orderId: "stray" }] });
  });
});

describe("a service whose clock is 10 minutes ahead", () => {
  it("measures how long deliveries waited and orders took by the broker's clock, and says so once", async () => {
    shiftClock(600_000);
    const serving = serve(broker.url, `${workers} --metrics-port 0 --instance ahead --json`);
    await until(() => serving.stdout().includes("\n"));
    const { metricsUrl } = JSON.parse(serving.stdout()).data;
    const seriesOf = async () => (await fetch(`${metricsUrl}/metrics`)).text();
    await until(async () => /orderctl_order_duration_seconds_count\{.*\} 3\b/s.test(await seriesOf()));
    const sums = [
      ...(await seriesOf()).matchAll(/^orderctl_(?:order_duration|delivery_wait)_seconds_sum.* (\S+)$/gm),
    ];
    expect(sums.length).toBeGreaterThan(3);
    for (const [line, seconds] of sums) expect(Number(seconds), line).toBeLessThan(3 * 60);
    const { stderr } = await serving.stop();
    expect(stderr.match(/this machine's clock is 10m00s ahead of the broker's/g)).toHaveLength(1);
  });
});

it("says nothing of clocks that agree", async () => {
  for (const words of ["audit --grace 5m", "replay --since 5m --dry-run", "lag --interval 20ms"])
    expect((await run(words)).stderr).toBe("");
});
