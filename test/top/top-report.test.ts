import { describe, expect, it } from "vitest";
import type { ConsumerLag } from "../../src/jetstream/streams/lag.ts";
import { orderShape } from "../../src/orders/flow.ts";
import type { Style } from "../../src/terminal/terminal.ts";
import { topReport } from "../../src/top/top-report.ts";
import type { ProcessRates, TopSample } from "../../src/top/top-sample.ts";
import { archiveState } from "../support/archive-state.ts";

const plain: Style = { colour: false, width: 80, unicode: true };

const payment: ConsumerLag = {
  consumer: "payment-processor",
  durable: true,
  mode: "pull",
  bound: null,
  pending: 0,
  ackPending: 0,
  redelivered: 0,
  waiting: 2,
  oldestAgeMs: null,
  inPerS: 401.2,
  outPerS: 401.2,
  drainS: 0,
  pausedUntil: null,
  ackWaitMs: 30_000,
  comesAgainBy: null,
  workers: null,
  unclaimed: null,
  state: "up_to_date",
  reasons: [],
};

const one: ProcessRates = {
  instance: "shop-1-4711",
  version: "1.0.0",
  services: ["payment", "inventory", "shipping"],
  startedAt: "2026-03-01T12:00:00.000Z",
  uptimeMs: 65_000,
  stopping: false,
  problems: [],
  breakers: [{ name: "PaymentService", state: "closed" }],
  workers: [{ consumer: "payment-processor", processed: 500, failed: 0, duplicates: 0, inFlight: 3 }],
  ordersUrl: null,
  metricsUrl: null,
  spansTo: null,
  archive: null,
  processedPerS: 1203.4,
  failedPerS: 0,
};

const calm: TopSample = {
  lag: {
    stream: "ORDERS",
    sampledAt: "2026-03-01T12:01:05.000Z",
    intervalMs: 1000,
    clock: { aheadMs: 0.1, errorMs: 0.2 },
    consumers: [payment],
  },
  processes: [one],
  gone: [],
  endedLately: { orders: 200, p50Ms: 1.23, p99Ms: 12.3, lastEndedAt: "2026-03-01T12:01:04.990Z" },
  deadLetters: 0,
  archive: {
    sampledAt: "2026-03-01T12:01:05.000Z",
    archiver: { ...archiveState, instance: "keeper" },
    problems: [],
    cost: { events: 5000, bytes: 1e6, ramBytes: 2.6e6, ramBytesPerS: 520, full: null },
  },
};

const headline = (sample: TopSample) =>
  topReport(orderShape)({ ...sample, archive: null }, plain).split("\n\n")[0];

describe("topReport", () => {
  it("speaks of what the flow is about", () => {
    const claims = { ...orderShape, noun: { one: "claim", many: "claims" }, labelOf: () => "opened" };
    expect(topReport(claims)(calm, plain).split("\n")[0]).toMatch(/^claims .*; opened to ended p50 /);
  });

  it("says first how fast orders come and end; then every consumer and every process", () => {
    expect(topReport(orderShape)(calm, plain)).toMatchInlineSnapshot(`
      "orders 401/s; created to ended p50 1.2 ms, p99 12.3 ms; failures 0/s
      archive: up to message 1,234,567 (1h03m ago), 25 segments, 1.2 GB in
      file:///var/lib/orders

      ORDERS: its consumer is up to date

      consumer           pending  unack  redel  wait  oldest     in    out  drain
      payment-processor        0      0      0     2       -  401/s  401/s      -

      process       services       up     done  failed  in flight  breaker
      shop-1-4711   3 services  1m05s  1,203/s     0/s          3  closed"
    `);
  });

  it("says below that what the log costs where nobody archives it, and nothing where that is not known", () => {
    const at = (archive: TopSample["archive"]) =>
      topReport(orderShape)({ ...calm, archive }, { ...plain, width: 140 }).split("\n")[1];
    expect(at(calm.archive && { ...calm.archive, archiver: null })).toBe(
      "nobody archives the log: 5,000 events, ~2.6 MB of the broker's RAM, +1.9 MB/h: orderctl serve archive",
    );
    expect(at(null)).toBe("");
  });

  it("says who is in trouble", () => {
    const breakers = [{ name: "PaymentService", state: "open" as const }];
    const failing = { ...one, breakers, failedPerS: 4.5 };
    expect(headline({ ...calm, processes: [failing], deadLetters: 2 })).toMatchInlineSnapshot(`
      "orders 401/s; created to ended p50 1.2 ms, p99 12.3 ms; failures 4.5/s;
      PaymentService is open; dead letters 2"
    `);
  });

  it("names a breaker that is open before one that tries again", () => {
    const of = (name: string, state: "open" | "half-open") => ({ ...one, breakers: [{ name, state }] });
    const processes = [of("FirstService", "half-open"), of("SecondService", "open")];
    expect(headline({ ...calm, processes })).toContain("SecondService is open");
  });

  it("knows no failures while it knows those of nobody", () => {
    const fresh = { ...one, failedPerS: null };
    expect(headline({ ...calm, processes: [fresh] })).toMatch(/failures -$/);
    expect(headline({ ...calm, processes: [fresh, one] })).toMatch(/failures 0\/s$/);
  });

  it("says when the last order ended where that is a while ago, and that none has", () => {
    const old = { orders: 3, p50Ms: 1, p99Ms: 2, lastEndedAt: "2026-03-01T11:00:00.000Z" };
    expect(headline({ ...calm, endedLately: old })).toContain(", the last 1h01m ago");
    expect(headline({ ...calm, endedLately: null })).toContain("none ended lately");
  });

  it("says first who is gone, what it holds and until when, and keeps it in the list", () => {
    const gone = {
      ...{ instance: "till-2", services: ["payment"], startedAt: "2026-03-01T12:00:00.000Z" },
      ...{ lastSeenAt: "2026-03-01T12:00:53.000Z", goneMs: 12_000, holds: 236 },
      ...{ held: { "payment-processor": 236 }, comesAgainBy: "2026-03-01T12:01:24.000Z" },
    };
    const lines = topReport(orderShape)({ ...calm, gone: [gone] }, plain).split("\n");
    expect(lines[0]).toMatch(/^till-2 is gone since 12\.0 s, holds 236 until \d\d:01:24; orders 401\/s;/);
    expect(lines.at(-1)).toMatch(/^till-2 +payment +gone 12\.0 s +- +- +236 +-$/);
    const handedBack = { ...gone, holds: 0, held: {}, comesAgainBy: null };
    expect(headline({ ...calm, gone: [handedBack] })).toMatch(/^orders 401/);
  });

  it("says where nobody works, and leaves unknown what one sample cannot tell", () => {
    expect(topReport(orderShape)({ ...calm, processes: [] }, plain)).toMatch(
      /\nno process runs services here$/,
    );
    const fresh = { ...one, processedPerS: null, failedPerS: null, stopping: true };
    expect(topReport(orderShape)({ ...calm, processes: [fresh] }, plain)).toMatch(
      / stopping +- +- +3 +closed$/,
    );
  });
});
