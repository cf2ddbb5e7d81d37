import { expect, it } from "vitest";
import { faultLine, isKept, type Summary, summaryLines } from "./report.ts";
import { torturedOrders } from "./tortured-orders.ts";

const summary: Summary = {
  tortured: torturedOrders,
  findings: [{ promise: "every order has ended", checked: 4000, broken: [] }],
  keys: 4000,
  events: 19_530,
  charges: 3800,
  redelivered: 206,
  mostAttempts: 3,
  run: {
    acknowledged: new Set(),
    givenUp: new Map([
      ["stream_full", 2],
      ["timeout", 1],
    ]),
    storedAnew: 0,
    started: 7,
    unanswered: 0,
    poisoned: new Set(["ORDERS.created.poison-0"]),
    seconds: 22.04,
  },
  faults: [
    { kind: "kill", target: "broker", atMs: 61_230, forMs: 1500 },
    { kind: "kill", target: "gateway", atMs: 62_000, forMs: 0 },
    { kind: "stall", target: "publisher", atMs: 63_000, forMs: 800 },
    { kind: "lame duck", target: "broker", atMs: 64_000, forMs: 600 },
    { kind: "second start", target: "broker", atMs: 65_000, forMs: 0 },
  ],
  drainSeconds: 3.21,
  ends: [{ exitCode: 5, stdout: "", stderr: "first\nerror: cannot read stream ORDERS: no answer in time\n" }],
};

it("tells when what was done to whom for how long", () => {
  expect(summary.faults.map((fault) => faultLine(fault, fault.atMs))).toEqual([
    "  1:01.2  kill -9 broker, down for 1.5 s",
    "  1:02.0  kill -9 gateway",
    "  1:03.0  stall the connection of publisher for 0.8 s",
    "  1:04.0  lame duck mode (SIGUSR2) of broker, down for 0.6 s",
    "  1:05.0  a second nats-server on the store of broker",
  ]);
});

it("sums up what was done and what came of it, the verdict last", () => {
  expect(summaryLines(summary).join("\n")).toMatchInlineSnapshot(`
    "orders        4,000 acknowledged in 22.0 s, 19,530 events, 3,800 charges
    faults        5: 2 kill, 1 stall, 1 lame duck, 1 second start
    redelivered   206 events were stored at a second or later delivery, of 3 at most
    poisoned      1 messages
    publishers    2 stream_full, 1 timeout gave up and were started again
    ended alone   1 processes, and were started again
      exit 5: error: cannot read stream ORDERS: no answer in time
    drained       3.2 s after the last fault was undone and the last order stored

    ✓ every order has ended (4,000)
    PASS"
  `);
});

it("names the first that broke a promise, and says FAIL", () => {
  const broken = Array.from({ length: 7 }, (_, index) => `order-${index}: no end`);
  const findings = [...summary.findings, { promise: "every order has ended", checked: 4000, broken }];
  expect(isKept(findings)).toBe(false);
  expect(summaryLines({ ...summary, findings }).slice(-9)).toMatchInlineSnapshot(`
    [
      "✓ every order has ended (4,000)",
      "✗ every order has ended: 7 of 4,000",
      "    order-0: no end",
      "    order-1: no end",
      "    order-2: no end",
      "    order-3: no end",
      "    order-4: no end",
      "    … and 2 more",
      "FAIL",
    ]
  `);
});
