import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nowUs } from "../../src/telemetry/clock.ts";
import {
  addHold,
  decodeHop,
  encodeHop,
  type Hold,
  type Hop,
  instanceName,
  orderTimeOf,
} from "../../src/telemetry/hop.ts";

const hop: Hop = {
  causeSequence: 17,
  service: "payment",
  instance: "host-4711",
  attempt: 2,
  receivedAtUs: 1_700_000_000_000_000,
  startedAtUs: 1_700_000_000_000_250,
  finishedAtUs: 1_700_000_000_004_000,
  orderAtUs: 1_699_999_999_990_000,
};

describe("the hop header", () => {
  it("is one short line", () => {
    expect(encodeHop(hop)).toBe(
      "c=17;i=payment/host-4711;d=2;r=1700000000000000;s=250;e=4000;o=1699999999990000",
    );
  });

  it("tells of each time that a breaker held the delivery, and costs nothing where none did", () => {
    const holds = [
      { breaker: "PaymentService", fromUs: hop.receivedAtUs + 100, toUs: hop.receivedAtUs + 900 },
      { breaker: "PaymentService", fromUs: hop.receivedAtUs + 1000, toUs: hop.receivedAtUs + 3000 },
    ];
    const header = encodeHop({ ...hop, holds });
    expect(header).toContain(";e=4000;b=PaymentService:100+800,PaymentService:1000+2000;o=");
    expect(decodeHop(header)).toEqual({ ...hop, holds });
    expect(orderTimeOf(header)).toBe(hop.orderAtUs);
    const named = [{ breaker: "a:b,c;d=e+f", fromUs: hop.receivedAtUs, toUs: hop.receivedAtUs + 1 }];
    expect(decodeHop(encodeHop({ ...hop, holds: named }))?.holds?.[0]?.breaker).toBe("a-b-c-d-e-f");
  });

  it("stays short through an outage of hours", () => {
    const holds: Hold[] = [];
    for (let n = 0; n < 1000; n++)
      addHold(holds, { breaker: "PaymentService", fromUs: n * 15e6 + 1, toUs: n * 15e6 + 15e6 });
    expect(holds).toHaveLength(8);
    expect(holds.reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0)).toBeGreaterThan(14_999e6);
  });

  it("is read by whoever knows fewer fields than it has, and where it has fewer", () => {
    const header = encodeHop(hop);
    for (const known of [
      `${header};x=1`,
      `v=2;${header}`,
      header.replace(";s=", ";new=a,b/c;s="),
      `${header};b=?`,
    ])
      expect([decodeHop(known), orderTimeOf(known)]).toEqual([hop, hop.orderAtUs]);
    expect(decodeHop(header.replace(/;o=.*/, ""))).toEqual({ ...hop, orderAtUs: undefined });
  });

  it("tells when the order began without being read in full", () => {
    expect(orderTimeOf(encodeHop(hop))).toBe(hop.orderAtUs);
    expect(orderTimeOf(encodeHop({ ...hop, orderAtUs: undefined }))).toBeUndefined();
    expect(orderTimeOf("something else;o=x")).toBeUndefined();
    expect(orderTimeOf(undefined)).toBeUndefined();
  });

  it("reads back as it was written, whoever caused it and whatever the clock did", () => {
    const us = fc.integer({ min: 0, max: 2 ** 52 });
    const step = fc.integer({ min: -1_000_000, max: 2 ** 40 });
    const parts = {
      causeSequence: fc.option(fc.nat({ max: Number.MAX_SAFE_INTEGER })),
      service: fc.constantFrom("payment", "inventory", "publish"),
      instance: fc.string({ unit: "grapheme" }).map(instanceName),
      attempt: fc.integer({ min: 1, max: 1_000_000 }),
      orderAtUs: fc.option(
        us.map((at) => at + 1),
        { nil: undefined },
      ),
    };
    const property = fc.property(
      fc.record(parts),
      fc.tuple(us, step, step),
      (rest, [at, started, finished]) => {
        const any = { ...rest, receivedAtUs: at, startedAtUs: at + started, finishedAtUs: at + finished };
        expect(decodeHop(encodeHop(any))).toEqual(any);
      },
    );
    fc.assert(property);
  });

  it.each([
    undefined,
    "",
    "c=1",
    "hello",
    "c=1;i=b/c;d=1;r=1;s=1",
    "c=1;i=b;d=1;r=1;s=1;e=1",
    "c=a;i=b/c;d=1;r=1;s=1;e=1",
  ])("is ignored where another program wrote %j", (header) => {
    expect(decodeHop(header)).toBeUndefined();
  });
});

describe("instanceName", () => {
  it("leaves nothing that would end a field, and is no longer than 64 characters", () => {
    expect(instanceName("web 1;i=x/y\n")).toBe("web-1-i-x-y-");
    expect(instanceName("a".repeat(100))).toHaveLength(64);
    expect(instanceName("pod-7.eu_west")).toBe("pod-7.eu_west");
  });
});

describe("nowUs", () => {
  it("is the Unix time in whole µs and never runs backwards", () => {
    const times = Array.from({ length: 1000 }, nowUs);
    expect(times.every(Number.isSafeInteger)).toBe(true);
    expect(times.toSorted((a, b) => a - b)).toEqual(times);
    expect(Math.abs(nowUs() / 1000 - Date.now())).toBeLessThan(1000);
  });
});
