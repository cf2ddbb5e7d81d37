import { describe, expect, it } from "vitest";
import { type PublishReport, publishReport } from "../../src/orders/publish/publish-report.ts";
import { feedProgressText } from "../../src/publish/feed-progress.ts";
import type { Style } from "../../src/terminal/terminal.ts";

const plain: Style = { colour: false, width: 100, unicode: true };

const report: PublishReport = {
  stored: 10_000,
  duplicates: 0,
  conflicts: 0,
  conflicting: [],
  blocked: 0,
  blockedBy: [],
  seconds: 1.25,
  perSecond: 8000,
  firstOrderId: "018f-1",
  endings: null,
  seed: 7,
  file: null,
  rejected: 0,
  rejectsShown: [],
  unknown: 0,
  resumeCommand: null,
};

const show = (changes: Partial<PublishReport>) => publishReport({ ...report, ...changes }, plain);

describe("publishReport", () => {
  it("says first how many orders are stored, how fast and from which seed", () => {
    expect(show({})).toMatchInlineSnapshot(`
      "10,000 orders stored in 1.3 s (8,000/s), seed 7
      follow one: orderctl trace 018f-1"
    `);
  });

  it("says how many orders may be stored, and the command that stores what is missing", () => {
    const resumeCommand = "orderctl publish order --count 10k --seed 7";
    expect(show({ stored: 40, unknown: 256, resumeCommand })).toMatchInlineSnapshot(`
      "40 orders stored in 1.3 s (8,000/s), seed 7
      256 orders beside these may be stored: the broker's answer did not come
      follow one: orderctl trace 018f-1
      to store what is missing: orderctl publish order --count 10k --seed 7"
    `);
    expect(show({ file: "-", seed: null, resumeCommand })).toContain("(with the same input): orderctl");
  });

  it("says how the orders ended and how long that took", () => {
    const endings = {
      ended: 9990,
      outcomes: { SHIPPED: 9700, DECLINED: 200, REFUNDED: 90 },
      latency: { p50Ms: 4.21, p99Ms: 38.9, p999Ms: 120.2, maxMs: 1500 },
    };
    expect(show({ endings })).toMatchInlineSnapshot(`
      "10,000 orders stored in 1.3 s (8,000/s), seed 7
      9,990 orders ended: 9,700 shipped, 200 declined, 90 refunded
      created to ended: p50 4.2 ms, p99 38.9 ms, p99.9 120 ms, max 1.5 s
      follow one: orderctl trace 018f-1"
    `);
  });

  it("says that none has ended, without a latency", () => {
    const endings = { ended: 0, outcomes: { SHIPPED: 0, DECLINED: 0, REFUNDED: 0 }, latency: null };
    expect(show({ endings })).toMatchInlineSnapshot(`
      "10,000 orders stored in 1.3 s (8,000/s), seed 7
      0 orders ended: 0 shipped, 0 declined, 0 refunded
      follow one: orderctl trace 018f-1"
    `);
  });

  it("names the rows of a file that are rejected, and how many more there are", () => {
    const rejectsShown = [
      { row: 5, reason: "invoice C7002 is a cancellation", text: "" },
      { row: 7, reason: "price is 0 GBP, not above zero", text: "" },
    ];
    const file = { seed: null, file: "orders.csv", stored: 1, perSecond: 0.8 };
    expect(show({ ...file, rejected: 2002, rejectsShown })).toMatchInlineSnapshot(`
      "1 order stored in 1.3 s (0.8/s), from orders.csv
      2,002 rows are rejected:
        orders.csv:5: invoice C7002 is a cancellation
        orders.csv:7: price is 0 GBP, not above zero
        … and 2,000 more; --rejects FILE keeps them all
      follow one: orderctl trace 018f-1"
    `);
    const [first] = rejectsShown;
    expect(show({ ...file, rejected: 1, rejectsShown: first ? [first] : [] })).toContain(
      "1 row is rejected:\n",
    );
  });

  it("says that there was nothing new, or how many were there before", () => {
    expect(show({ stored: 0, duplicates: 1 }).split("\n")[0]).toBe(
      "nothing new: the order was already stored, seed 7",
    );
    expect(show({ stored: 10, duplicates: 30 }).split("\n")[0]).toBe(
      "10 orders stored in 1.3 s (8,000/s), seed 7; 30 were already stored",
    );
  });
});

describe("feedProgressText", () => {
  it.each([
    [{ done: 6400, elapsedS: 2, underWay: null }, 10_000, "6,400 of 10,000 orders, 3,200/s, 1.1 s left"],
    [{ done: 0, elapsedS: 0, underWay: null }, 10, "0 of 10 orders, 0/s"],
    [{ done: 50, elapsedS: 1, underWay: 7 }, null, "50 orders, 50/s; 7 under way"],
    [{ done: 10, elapsedS: 1, underWay: 3 }, 10, "10 orders stored; 3 under way"],
  ])("tells %j of %j as %j", (progress, total, text) => {
    expect(feedProgressText(progress, total, { one: "order", many: "orders" })).toBe(text);
  });
});
