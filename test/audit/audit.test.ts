import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { LogAudit } from "../../src/audit/audit-log.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { event, ways } from "../orders/order-log.ts";
import { type LogWriter, openLogWriter } from "../support/log-writer.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { type Ran, runCommand } from "../support/run-command.ts";
import { startServices } from "../support/start-services.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";
import { until } from "../support/until.ts";

let broker: TestBroker;
let connection: Connection;
let log: LogWriter;

const audit = (...flags: string[]): Promise<Ran> =>
  runCommand(["audit", "-s", broker.url, "--grace", "0", ...flags]);

async function auditJson(...flags: string[]): Promise<LogAudit> {
  const [line] = (await audit("--json", ...flags)).lines();
  expect(line).toMatchObject({ kind: "audit", version: 1 });
  return line?.data as unknown as LogAudit;
}

/** Consumers that read the stream for a command. */
async function readersOf(stream: string): Promise<number> {
  let readers = 0;
  for await (const { name } of connection.jsm.consumers.list(stream))
    if (name.startsWith("reader-")) readers += 1;
  return readers;
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
  const { exitCode, stdout, stderr } = await audit();
  expect({ exitCode, stdout }).toEqual({ exitCode: 4, stdout: "" });
  expect(stderr).toContain("orderctl serve all");
});

describe("over a log of its own", () => {
  beforeEach(async () => {
    log = await openLogWriter(connection);
  });

  afterEach(async () => {
    log.close();
    await connection.jsm.streams.delete("ORDERS");
    await connection.jsm.streams.delete("KV_INVENTORY");
  });

  it("passes what real services did, and checks the stock they kept", async () => {
    const services = await startServices(connection, undefined, { defaultStock: 5 });
    const ids = Array.from({ length: 5 }, (_, index) => `o-${index}`);
    await log.store(...ids.map((id) => event("created", id)));
    await Promise.all(ids.map((id) => log.ended(id)));
    await services.stop(5000);
    const { exitCode, stdout, stderr } = await audit();
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout.split("\n")[0]).toBe("PASS  5 orders, each ended exactly once");
    expect(await auditJson()).toMatchObject({
      verdict: "PASS",
      orders: 5,
      outcomes: { SHIPPED: 2, DECLINED: 0, REFUNDED: 3 },
      skus: 1,
    });
  });

  it("passes an empty log, without praise", async () => {
    const { exitCode, stdout } = await audit();
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^PASS {2}there is no order in the log\n/);
  });

  it("fails a log with an order that ended without cause, and names it", async () => {
    await log.store(...ways.SHIPPED("good"), ...ways.SHIPPED("bad").slice(3));
    const { exitCode, stdout } = await audit();
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^FAIL {2}1 of 1 order breaks a promise\n/);
    expect(stdout).toContain("order bad\n  shipment and stock differ");
    expect(stdout).toContain("orderctl trace bad\n");
  });

  // Nobody who lets the broker remove old events used to get another word than FAIL.
  it("proves nothing of a log whose beginning is removed, where promises seem broken", async () => {
    await log.store(...ways.SHIPPED("half"), ...ways.DECLINED("whole"));
    await connection.jsm.streams.purge("ORDERS", { seq: 3 });
    const { exitCode, stdout } = await audit();
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^INCOMPLETE {2}nothing is proven: the log begins with message 3: /);
    expect(await auditJson()).toMatchObject({ verdict: "INCOMPLETE", firstSequence: 3, gone: 0 });
    await connection.jsm.streams.purge("ORDERS", { seq: 6 });
    expect(await auditJson()).toMatchObject({ verdict: "PASS", firstSequence: 6, orders: 1 });
  });

  it("lists as offenders the messages that cannot be read, and goes on", async () => {
    await log.storeBytes("ORDERS.payments.o-1", "\u00ff\u00ff");
    await log.storeBytes("ORDERS.elsewhere", "hello");
    await log.store(...ways.DECLINED("o-2"));
    expect(await auditJson()).toMatchObject({
      verdict: "FAIL",
      orders: 1,
      ended: 1,
      events: 3,
      violations: { unreadable: 2 },
      offenders: [
        { rule: "unreadable", orderId: "o-1", sequence: 1 },
        { rule: "unreadable", orderId: null, sequence: 2 },
      ],
    });
  });

  it("takes an order for lost only after the grace period", async () => {
    await log.store(event("created", "late"));
    expect(await auditJson("--grace", "1h")).toMatchObject({
      verdict: "PASS",
      underWay: 1,
      graceMs: 3_600_000,
    });
    expect(await auditJson("--grace", "0")).toMatchObject({
      verdict: "FAIL",
      offenders: [{ rule: "not_notified", orderId: "late" }],
    });
  });

  it("finds a SKU of which more was reserved than ever stocked", async () => {
    await log.store(...ways.SHIPPED("a"), ...ways.SHIPPED("b"));
    const stock = { available: 1, reserved: 2, log: "", settledThrough: 0, holds: [] };
    await connection.nats.jetstream().publish("$KV.INVENTORY.MUG-3", JSON.stringify(stock));
    const { stdout, exitCode } = await audit();
    expect(exitCode).toBe(1);
    expect(stdout).toContain("SKU MUG-3\n  oversold: 4 units reserved, 3 ever stocked");
  });

  it("reports stock that cannot be read instead of giving up", async () => {
    await log.store(...ways.SHIPPED("a"));
    await connection.nats.jetstream().publish("$KV.INVENTORY.MUG-3", "three");
    expect(await auditJson()).toMatchObject({
      violations: { unreadable: 1 },
      offenders: [{ detail: expect.stringContaining("the stock of MUG-3") }],
    });
  });

  // It used to hang; had it not, it would have named each order whose end went before it was read.
  it("proves nothing where messages go before they are read, and says how many", async () => {
    const published = await runCommand(["publish", "order", "-s", broker.url, "--count", "30000"]);
    expect(published.exitCode).toBe(0);
    const auditing = audit();
    await until(async () => (await readersOf("ORDERS")) > 0);
    await connection.jsm.streams.purge("ORDERS");
    const { exitCode, stdout } = await auditing;
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(
      /^INCOMPLETE {2}nothing is proven: [\d,]+ messages of the log went before they were read .*; [\d,]+ violations? may be for want of them\n/,
    );
    expect(stdout).not.toContain("\u2713");
    expect(await readersOf("ORDERS")).toBe(0);
  });

  it("is none the worse for messages that went before it began", async () => {
    await log.store(...ways.SHIPPED("a"), ...ways.DECLINED("b"));
    await connection.jsm.streams.purge("ORDERS", { filter: "ORDERS.*.a" });
    expect(await auditJson()).toMatchObject({ verdict: "PASS", gone: 0, orders: 1 });
  });

  it("judges what happened since a time or within an age, with --since", async () => {
    await log.store(event("created", "late"));
    expect(await auditJson()).toMatchObject({ verdict: "FAIL", since: null });
    expect(await auditJson("--since", "1h")).toMatchObject({ verdict: "FAIL", orders: 1 });
    const at = new Date(Date.now() + 60_000).toISOString();
    expect(await auditJson("--since", at)).toMatchObject({
      verdict: "PASS",
      orders: 0,
      since: `${at.slice(0, -1)}000Z`,
    });
    await log.store(...ways.DECLINED("b"));
    const { stdout } = await audit("--since", "2100-01-01");
    expect(stdout).toMatch(/^PASS {2}no order was created since\n/);
    expect(stdout).toContain("only orders created since 2100-01-01 00:00Z, and events stored since\n");
  });

  it("reads everything with --all, which is what it does where nothing is archived", async () => {
    await log.store(...ways.SHIPPED("a"));
    expect(await auditJson("--all")).toMatchObject({
      verdict: "PASS",
      events: 5,
      readFrom: 1,
      archiveFaults: null,
    });
    const { exitCode, stderr } = await audit("--all", "--since", "1h");
    expect({ exitCode, stderr }).toEqual({
      exitCode: 2,
      stderr: expect.stringContaining("--all and --since exclude each other"),
    });
  });

  it("is stopped by a signal, with no verdict", async () => {
    await log.store(...ways.SHIPPED("a"));
    const options = { signal: AbortSignal.abort() };
    const { exitCode, stdout } = await runCommand(["audit", "-s", broker.url], options);
    expect({ exitCode, stdout }).toEqual({ exitCode: 130, stdout: "" });
  });
});

it("says that overselling was not checked where there is no inventory", async () => {
  log = await openLogWriter(connection);
  await connection.jsm.streams.delete("KV_INVENTORY");
  await log.store(...ways.SHIPPED("a"));
  log.close();
  const { exitCode, stdout } = await audit();
  expect(exitCode).toBe(0);
  expect(stdout).toContain("- no SKU oversold: not checked, nobody keeps stock here");
  expect(await auditJson()).toMatchObject({ verdict: "PASS", skus: null });
});
