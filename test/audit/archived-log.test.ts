import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type AuditOptions, auditLog, type LogAudit } from "../../src/audit/audit-log.ts";
import { auditVerdict } from "../../src/audit/audit-verdict.ts";
import { nothingSeen } from "../../src/audit/log-reading.ts";
import { isoTime } from "../../src/core/units.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { parseTimestampUs } from "../../src/jetstream/streams/read-message.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import { serveText } from "../orders/gateway/serve-text.ts";
import { event, ways } from "../orders/order-log.ts";
import { type LogWriter, openLogWriter } from "../support/log-writer.ts";
import { MemoryArchive } from "../support/memory-archive.ts";
import { openTestConnection } from "../support/open-test-connection.ts";
import { startTestBroker, type TestBroker } from "../support/start-test-broker.ts";

let broker: TestBroker;
let connection: Connection;
let log: LogWriter;
let archive: MemoryArchive;

beforeAll(async () => {
  broker = await startTestBroker();
  connection = await openTestConnection(broker.url);
});

afterAll(async () => {
  await connection.close();
  await broker.stop();
});

beforeEach(async () => {
  log = await openLogWriter(connection);
  archive = new MemoryArchive(connection);
});

afterEach(async () => {
  log.close();
  await connection.jsm.streams.delete("ORDERS");
});

const clock = { difference: { aheadMs: 0, errorMs: 0 }, nowUs: () => Date.now() * 1000 };

function audit(options: Partial<AuditOptions> = {}): Promise<LogAudit> {
  const { signal } = new AbortController();
  return auditLog(archive.log, { graceMs: 0, clock, signal, seen: nothingSeen(), ...options });
}

const textOf = (report: LogAudit): string =>
  auditVerdict(archive.log.flow)(report, { colour: false, width: 100, unicode: true });

/** What does not depend on how much of the log was read. */
function judged({ verdict, orders, ended, underWay, events, outcomes, violations, offenders }: LogAudit) {
  return { verdict, orders, ended, underWay, events, outcomes, violations, offenders };
}

const good = [...ways.SHIPPED("a"), ...ways.REFUNDED("b"), ...ways.DECLINED("c")];
const bad = ways.SHIPPED("bad").filter(({ kind }) => kind !== "reservations");
const mixed: OrderEvent[] = [
  ...ways.SHIPPED("d").slice(0, 2),
  ...good,
  ...bad,
  ...ways.SHIPPED("d").slice(2),
];

describe("an audit of a log of which a part is archived", () => {
  it.each([1, 2, 9, 17, 20])("comes to the same as before %d messages were moved", async (to) => {
    await log.store(...mixed);
    const before = await audit();
    expect(before).toMatchObject({
      verdict: "FAIL",
      orders: 5,
      archivedTo: 0,
      readFrom: 1,
      messagesRead: 22,
    });
    await archive.moveTo(to);
    expect(judged(await audit())).toEqual(judged(before));
    await archive.purge();
    const after = await audit();
    expect(judged(after)).toEqual(judged(before));
    expect(archive.reads).toEqual([]);
    expect(after).toMatchObject({
      ...{ archivedFrom: 1, archivedTo: to, archivedEvents: to, readFrom: to + 1 },
      ...{ messagesRead: 22 - to, firstSequence: to + 1, gone: 0, archiveFaults: null },
    });
    expect(judged(await audit({ all: true }))).toEqual(judged(before));
    expect(archive.reads).toEqual([`1-${to}`]);
  });

  it("goes on over several segments, up to a log that is archived whole", async () => {
    await log.store(...mixed);
    const before = await audit();
    for (const to of [3, 11, 22]) await archive.moveAndPurge(to);
    expect(judged(await audit())).toEqual(judged(before));
    expect(await audit({ all: true })).toMatchObject({ ...judged(before), messagesRead: 22, gone: 0 });
  });

  it("tells in a line what was taken over, and in its speed only what was read", async () => {
    await log.store(...good);
    await archive.moveAndPurge(5);
    const text = textOf({ ...(await audit()), archivedUntil: "2026-11-27T10:12:59.000001Z", seconds: 0.5 });
    expect(text.split("\n").slice(0, 6)).toEqual([
      "PASS  3 orders, each ended exactly once",
      "",
      "SHIPPED 1   DECLINED 1   REFUNDED 1   under way 0",
      "8 events read in 500 ms, 16/s",
      "archived up to message 5 (2026-11-27 10:12Z); its audit is taken over, --all reads it again",
      "",
    ]);
    expect(text).not.toContain("the archive is as it was written");
  });

  it("reads what is archived while it goes on", async () => {
    await log.store(...mixed);
    await archive.moveAndPurge(2);
    const { auditState } = archive;
    archive.auditState = async (which) => {
      const state = await auditState.call(archive, which);
      archive.auditState = auditState;
      await archive.moveAndPurge(15);
      return state;
    };
    const report = await audit();
    expect(report).toMatchObject({ archivedTo: 15, readFrom: 3, messagesRead: 20, gone: 0, events: 22 });
    expect(textOf(report)).toContain("the audit of messages before 3 is taken over");
  });

  it("is not taken for complete where the archive cannot be read", async () => {
    await log.store(...good);
    await archive.moveAndPurge(5);
    archive.damageState(Buffer.from("state"));
    await expect(audit()).rejects.toMatchObject({
      code: "unavailable",
      source: "store",
      message: "memory 5.audit: the state of an audit cannot be read: it is damaged",
      hint: expect.stringContaining("--all"),
    });
    expect(await audit({ all: true })).toMatchObject({ verdict: "PASS", orders: 3 });
    archive.isDamaged = true;
    await expect(audit({ all: true })).rejects.toMatchObject({ code: "unavailable", source: "store" });
  });
});

describe("what is missing of an archived log", () => {
  it("is nothing where the stream begins behind the archive, though promises are broken", async () => {
    await log.store(...bad, ...good);
    await archive.moveAndPurge(3);
    expect(await audit()).toMatchObject({ verdict: "FAIL", firstSequence: 4, archivedTo: 3 });
  });

  it("is what is neither archived nor in the stream", async () => {
    await log.store(...good, ...bad);
    await archive.moveTo(7);
    await connection.jsm.streams.purge("ORDERS", { seq: 11 });
    const report = await audit();
    expect(report).toMatchObject({ verdict: "INCOMPLETE", firstSequence: 11, archivedTo: 7 });
    expect(textOf(report)).toMatch(
      /^INCOMPLETE {2}nothing is proven: messages 8 to 10 are neither in the archive nor in the stream/,
    );
    await connection.jsm.streams.purge("ORDERS");
    expect(await audit()).toMatchObject({ verdict: "INCOMPLETE", firstSequence: 18 });
  });

  it("is what was removed before anything was archived", async () => {
    await log.store(...ways.SHIPPED("half"), ...good);
    await connection.jsm.streams.purge("ORDERS", { seq: 3 });
    await archive.moveAndPurge(9);
    for (const all of [false, true]) {
      const report = await audit({ all });
      expect(report).toMatchObject({ verdict: "INCOMPLETE", archivedFrom: 3 });
      expect(textOf(report)).toContain("the archive begins with message 3: those before were purged");
    }
  });

  it("is counted where messages go before they are read, not where they are archived", async () => {
    await log.store(...good);
    await archive.moveTo(5);
    const { movedTo } = archive;
    let asked = 0;
    archive.movedTo = async () => {
      asked += 1;
      // Asked once by the audit, then when reading begins.
      if (asked === 2) await connection.jsm.streams.purge("ORDERS", { seq: 9 });
      return movedTo.call(archive);
    };
    expect(await audit()).toMatchObject({ verdict: "INCOMPLETE", gone: 3 });
  });
});

describe("--all", () => {
  it("says that the archive is as it was written", async () => {
    await log.store(...good);
    await archive.moveAndPurge(5);
    const report = await audit({ all: true });
    expect(report).toMatchObject({ verdict: "PASS", archiveFaults: 0, archivedEvents: 0, events: 13 });
    expect(textOf(report)).toContain("✓ the archive is as it was written");
    expect(textOf(report)).toMatch(/^archived up to message 5 \(.*\); it was read again$/m);
  });

  it("asks for nothing where nothing is archived", async () => {
    await log.store(...good);
    const report = await audit({ all: true });
    expect(report).toMatchObject({ verdict: "PASS", archiveFaults: null });
    expect(textOf(report)).not.toContain("archive");
  });

  it.each([
    ["can be read all the same", false, 1],
    ["cannot be read", true, 6],
  ])("fails for a fault of a segment that %s, and names it", async (_, isDamaged, readFrom) => {
    await log.store(...good);
    await archive.moveAndPurge(5);
    archive.faults = ["segment 1 to 5: orders-1-5.parquet has another SHA-256"];
    archive.isDamaged = isDamaged;
    const report = await audit({ all: true });
    expect(report).toMatchObject({
      ...{ verdict: "FAIL", orders: 3, ended: 3, offences: 1, archiveFaults: 1, readFrom },
      violations: { archive_fault: 1 },
    });
    const text = textOf(report);
    expect(text).toMatch(/^FAIL {2}the archive breaks a promise\n/);
    expect(text).toContain("✗ the archive is as it was written: 1 violation");
    expect(text.replaceAll(/\s+/g, " ")).toContain(
      "the archive the archive is not as it was written: segment 1 to 5: orders-1-5.parquet has another SHA-256",
    );
  });

  it("takes over the audit of what was pruned", async () => {
    await log.store(...good);
    await archive.moveAndPurge(3);
    await archive.moveAndPurge(9);
    archive.prune();
    const report = await audit({ all: true });
    expect(report).toMatchObject({
      verdict: "PASS",
      orders: 3,
      readFrom: 4,
      archivedEvents: 3,
      archivedFrom: 1,
    });
    expect(archive.reads).toEqual(["4-9"]);
    expect(textOf(report)).toContain("the audit of messages before 4 is taken over");
  });
});

describe("an order that was created again after it was archived", () => {
  beforeEach(async () => {
    await log.store(...ways.SHIPPED("a"));
    await archive.moveAndPurge(5);
  });

  it.each([false, true])("is counted, and breaks no promise (--all: %s)", async (all) => {
    await log.store(event("created", "a"), ...ways.DECLINED("b"));
    const report = await audit({ all });
    expect(report).toMatchObject({ verdict: "PASS", orders: 2, ended: 2, repeats: 1, events: 9 });
    expect(textOf(report)).toContain("1 repeat of archived orders; nothing followed from them\n");
    expect(archive.lookedUp).toEqual(["a"]);
  });

  it.each([false, true])("is a violation once anything followed from it (--all: %s)", async (all) => {
    await log.store(event("created", "a"), event("payments", "a"));
    expect(await audit({ all })).toMatchObject({
      verdict: "FAIL",
      offences: 1,
      offenders: [{ rule: "duplicate_event", orderId: "a" }],
    });
  });

  it("is a violation even where all of it came again", async () => {
    await log.store(...ways.SHIPPED("a"));
    const { violations } = await audit();
    expect(violations).toMatchObject({ duplicate_event: 1, not_notified: 0 });
  });

  it("stays a repeat when it is archived as well, and is counted once", async () => {
    await log.store(event("created", "a"), ...ways.DECLINED("b"));
    await archive.moveAndPurge(7);
    expect(await audit()).toMatchObject({ verdict: "PASS", orders: 2, repeats: 1 });
    await log.store(event("created", "a"));
    for (const all of [false, true])
      expect(await audit({ all })).toMatchObject({ verdict: "PASS", orders: 2, repeats: 2 });
  });

  it("is a repeat of one that is still under way, too", async () => {
    await log.store(...ways.SHIPPED("late").slice(0, 2));
    await archive.moveAndPurge(7);
    await log.store(event("created", "late"), ...ways.SHIPPED("late").slice(2));
    for (const all of [false, true])
      expect(await audit({ all })).toMatchObject({ verdict: "PASS", orders: 2, ended: 2, repeats: 1 });
  });
});

describe("--since", () => {
  const at = async (sequence: number): Promise<number> => {
    const { timestamp } = await connection.jsm.streams.getMessage("ORDERS", { seq: sequence });
    return parseTimestampUs(timestamp);
  };

  it("judges orders created since, whether or not anything is archived", async () => {
    await log.store(...bad, ...ways.SHIPPED("under-way").slice(0, 2), event("created", "never"));
    await log.store(...ways.DECLINED("new"), ...ways.SHIPPED("under-way").slice(2));
    const sinceUs = await at(8);
    expect(await audit()).toMatchObject({ verdict: "FAIL" });
    const expected = {
      ...{ verdict: "PASS", orders: 1, ended: 1, underWay: 0, events: 6, archivedEvents: 0 },
      outcomes: { SHIPPED: 0, DECLINED: 1, REFUNDED: 0 },
      since: isoTime(sinceUs),
    };
    expect(await audit({ sinceUs })).toMatchObject({ ...expected, readFrom: 1 });
    for (const to of [3, 6, 10]) await archive.moveAndPurge(to);
    const report = await audit({ sinceUs });
    expect(report).toMatchObject({ ...expected, readFrom: 7, archivedTo: 10 });
    expect(archive.reads).toEqual(["7-10"]);
    expect(textOf(report)).toMatch(
      /^only orders created since \d{4}-\d\d-\d\d \d\d:\d\dZ, and events stored since\narchived up to message 10 \([^;]*$/m,
    );
  });

  it("finds what was done to an earlier order since", async () => {
    await log.store(...ways.SHIPPED("a"), event("refunds", "a"));
    expect(await audit({ sinceUs: await at(6) })).toMatchObject({
      verdict: "FAIL",
      offenders: [{ rule: "refund_mismatch", orderId: "a", sequence: 6 }],
    });
  });

  it("finds an archived order that was paid again since", async () => {
    await log.store(...ways.SHIPPED("a"));
    await archive.moveAndPurge(5);
    await log.store(...ways.SHIPPED("a").slice(0, 2));
    expect(await audit({ sinceUs: await at(6) })).toMatchObject({ violations: { duplicate_event: 1 } });
  });

  it("says so where nothing happened since", async () => {
    await log.store(...bad);
    await archive.moveAndPurge(2);
    const report = await audit({ sinceUs: (Date.now() + 60_000) * 1000 });
    expect(report).toMatchObject({ verdict: "PASS", orders: 0, events: 0 });
    expect(textOf(report)).toMatch(/^PASS {2}no order was created since\n/);
  });
});

describe("--gateway", () => {
  const booked = (...orders: string[]) =>
    orders
      .map((order) => {
        const booked_at = new Date(Date.now() - 60_000).toISOString();
        return `${JSON.stringify({ idempotency_key: order, status: "approved", booked_at })}\n`;
      })
      .join("");

  it("compares what was read, and counts what is archived; --all compares everything", async () => {
    await log.store(...ways.SHIPPED("a"), ...ways.SHIPPED("late").slice(0, 2));
    await archive.moveAndPurge(7);
    await log.store(...ways.SHIPPED("late").slice(2), ...ways.SHIPPED("b"));
    const gateway = await serveText({ "/charges": booked("a", "a", "late", "b", "nobody"), "/refunds": "" });
    const options = { gateway: new URL(gateway) };
    const report = await audit({ options });
    expect(report).toMatchObject({
      ...{ booked: 3, bookedArchived: 2 },
      offenders: [{ rule: "charge_mismatch", orderId: "nobody" }],
    });
    expect(textOf(report)).toContain("\n  2 bookings of archived orders not compared: --all does\n");
    expect(archive.lookedUp).toEqual([]);
    const whole = await audit({ options, all: true });
    expect(whole).toMatchObject({ booked: 5, bookedArchived: 0, violations: { charge_mismatch: 2 } });
    expect(whole.offenders.map(({ orderId }) => orderId)).toEqual(["a", "nobody"]);
    expect(textOf(whole)).not.toContain("not compared");
  });
});
