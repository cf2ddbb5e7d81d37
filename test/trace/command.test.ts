import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunningServices } from "../../src/flow/run-services.ts";
import type { OrderTimeline } from "../../src/flow/timeline.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { createSimulatedGateway } from "../../src/orders/gateway/simulated-gateway.ts";
import { event, ways } from "../orders/order-log.ts";
import { type LogWriter, openLogWriter } from "../support/log-writer.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { type Ran, runCommand } from "../support/run-command.ts";
import { startServices } from "../support/start-services.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";

let broker: TestBroker;
let connection: Connection;
let log: LogWriter;
let services: RunningServices;

const trace = (id: string, ...flags: string[]): Promise<Ran> =>
  runCommand(["trace", id, "-s", broker.url, ...flags], { columns: 80 });

async function traceJson(id: string): Promise<OrderTimeline> {
  const [line] = (await trace(id, "--json")).lines();
  expect(line).toMatchObject({ kind: "order-trace", version: 1 });
  return line?.data as unknown as OrderTimeline;
}

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

it("says what to run where no stream of orders exists", async () => {
  const { exitCode, stdout, stderr } = await trace("o-1");
  expect({ exitCode, stdout }).toEqual({ exitCode: 4, stdout: "" });
  expect(stderr).toContain(`there is no stream ORDERS at ${broker.url}`);
  expect(stderr).toContain("orderctl up");
});

describe("an order that real services handled", () => {
  beforeAll(async () => {
    log = await openLogWriter(connection);
    const gateway = createSimulatedGateway({ seed: 1, declineShare: 0, latencyMs: 20 });
    services = await startServices(connection, undefined, { gateway });
    const total = { amountMinor: 5000, currency: "USD" };
    const tooMuch = [{ sku: "SKU-0007", quantity: 5000, unitPriceMinor: 1 }];
    await log.store(event("created", "shipped"), event("created", "refunded", { lines: tooMuch, total }));
    await Promise.all([log.ended("shipped"), log.ended("refunded")]);
    await services.stop(5000);
  });

  afterAll(() => log.close());

  it("is told in one line, then step by step", async () => {
    const { exitCode, stdout, stderr } = await trace("shipped");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    const lines = stdout.split("\n");
    expect(lines[0]).toMatch(/^order shipped SHIPPED in [\d.]+ m?s, USD 8\.40$/);
    expect(lines.filter((line) => line.includes("└")).map((line) => line.trim().split(" ")[1])).toEqual([
      "payment",
      "reservation",
      "shipment",
      "notification",
    ]);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
  });

  it("names the SKU that was short, and the refund that followed", async () => {
    const { stdout } = await trace("refunded");
    expect(stdout).toMatch(/└ reservation .+ ✗ OUT_OF_STOCK SKU-0007\n/);
    expect(stdout).toMatch(/└ refund .+ REFUNDED USD 50\.00\n/);
  });

  it("has times that sum to the whole, and work as long as the gateway took", async () => {
    const { hops, totalMs, ended } = await traceJson("shipped");
    expect(ended).toBe(true);
    const elapsed = hops.reduce((sum, { elapsedMs }) => sum + (elapsedMs ?? 0), 0);
    expect(elapsed).toBeCloseTo(totalMs, 3);
    const payment = hops.find(({ kind }) => kind === "payments");
    expect(payment).toMatchObject({ service: "payment", instance: "box-1", attempt: 1, outcome: "APPROVED" });
    expect(payment?.workedMs).toBeGreaterThanOrEqual(19);
    for (const { waitedMs, workedMs, storingMs } of hops.slice(1)) {
      expect(
        Math.min(...[waitedMs, workedMs, storingMs].map((ms) => ms ?? Number.NaN)),
      ).toBeGreaterThanOrEqual(0);
    }
  });

  it("is found by the subject of any of its events", async () => {
    expect((await trace("ORDERS.payments.shipped")).stdout).toBe((await trace("shipped")).stdout);
  });
});

describe("an order of another kind", () => {
  beforeAll(async () => {
    log = await openLogWriter(connection);
    await log.store(
      event("created", "paid"),
      event("payments", "paid"),
      ...ways
        .DECLINED("foreign")
        .with(1, event("payments", "foreign", { status: "DECLINED", reason: "card_expired" })),
    );
    await log.storeBytes("ORDERS.created.garbled", "\u00ff\u00ff");
  });

  afterAll(() => log.close());

  it("under way, is shown with whom it waits for", async () => {
    expect((await trace("paid")).stdout).toMatch(
      /^order paid waiting for inventory, [\d.]+ .?s, USD 8\.40\n/,
    );
    expect(await traceJson("paid")).toMatchObject({ ended: false, outcome: null, waitingFor: "inventory" });
  });

  it("from a program without hop headers, leaves unknown what it does not tell", async () => {
    const { stdout } = await trace("foreign");
    expect(stdout).toContain("✗ DECLINED card_expired");
    expect(stdout).toContain("╌╌ not told");
    const { hops } = await traceJson("foreign");
    expect(hops[1]).toMatchObject({ causeSequence: hops[0]?.sequence, service: null, waitedMs: null });
  });

  it("with an event that cannot be read, is bad_message", async () => {
    const { exitCode, stderr } = await trace("garbled");
    expect(exitCode).toBe(6);
    expect(stderr).toContain("ORDERS.created.garbled");
    expect(stderr).toContain("orderctl dlq remove-event");
  });

  it("nobody stored, is not_found and names the server that was asked", async () => {
    const { exitCode, stdout, stderr } = await trace("o-404", "--json");
    expect({ exitCode, stdout }).toEqual({ exitCode: 4, stdout: "" });
    expect(JSON.parse(stderr)).toMatchObject({
      kind: "error",
      data: {
        code: "not_found",
        message: `stream ORDERS at ${broker.url} holds no event of order o-404`,
        hint: expect.stringContaining("orderctl audit"),
      },
    });
  });
});

it("refuses what is no order id before it asks anybody", async () => {
  for (const id of ["no id", "ORDERS.created.*", "", "x".repeat(65)]) {
    const { exitCode, stderr } = await runCommand(["trace", id, "-s", "127.0.0.1:1"]);
    expect({ id, exitCode }).toEqual({ id, exitCode: 2 });
    expect(stderr).toContain("is not an order id");
  }
});
