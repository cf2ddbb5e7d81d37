import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createAuditor } from "../../src/orders/audit/auditor.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import { event, finishedLog, ways } from "../orders/order-log.ts";
import { audit, later } from "./audit-log.ts";

type Auditor = ReturnType<typeof createAuditor>;

/** Adds a part of a log whose events were stored one per millisecond from 0 on. */
function add(
  auditor: Auditor,
  log: readonly OrderEvent[],
  [from = 0, to = log.length]: number[] = [],
): Auditor {
  for (const [index, each] of log.slice(from, to).entries())
    auditor.add(each, from + index + 1, from + index);
  return auditor;
}

/** An auditor that was handed the log in parts, each with the state of the part before. */
function inParts(log: readonly OrderEvent[], cuts: readonly number[]): Auditor {
  let state: Uint8Array | undefined;
  let from = 0;
  for (const to of cuts) {
    state = add(createAuditor({ state }), log, [from, to]).state();
    from = to;
  }
  return add(createAuditor({ state }), log, [from]);
}

const everyEvent = Object.values(ways).flatMap((way) => [...way("order-0"), ...way("order-1"), ...way("x")]);
const odd: OrderEvent[] = [
  event("payments", "order-0", { total: { amountMinor: 1, currency: "USD" } }),
  event("refunds", "order-1", { chargeId: "ch-2" }),
  event("reservations", "x", { status: "OUT_OF_STOCK" }),
];

type Change = { at: number; event: OrderEvent | undefined };

/** Logs in which events are missing, twice, out of turn or of nobody. */
const anyLog: fc.Arbitrary<OrderEvent[]> = fc
  .tuple(
    finishedLog,
    fc.array(
      fc.record<Change>({
        at: fc.nat(),
        event: fc.option(fc.constantFrom(...everyEvent, ...odd), { nil: undefined }),
      }),
      { maxLength: 6 },
    ),
  )
  .map(([log, changes]) =>
    changes.reduce(
      (changed, { at, event: added }) =>
        added
          ? changed.toSpliced(at % (changed.length + 1), 0, added)
          : changed.toSpliced(at % (changed.length + 1), 1),
      log,
    ),
  );

/** The first event after the cut of each order that was forgotten there. */
function returning(log: readonly OrderEvent[], cut: number): { sequence: number; event: OrderEvent }[] {
  const auditor = createAuditor({ state: add(createAuditor(), log, [0, cut]).state() });
  const before = new Set(log.slice(0, cut).map(({ orderId }) => orderId));
  const gone = new Set([...before].filter((orderId) => !auditor.knows(orderId)));
  const found = [];
  for (const [index, each] of log.entries())
    if (index >= cut && gone.delete(each.orderId)) found.push({ sequence: index + 1, event: each });
  return found;
}

describe("an audit that goes on from a state", () => {
  test("comes to the same report as one that read everything, wherever the log is cut", () => {
    let compared = 0;
    fc.assert(
      fc.property(anyLog, (log) => {
        const whole = audit(log);
        for (let cut = 0; cut <= log.length; cut++) {
          if (returning(log, cut).length > 0) continue;
          compared += 1;
          expect(inParts(log, [cut]).finish(later)).toEqual(whole);
        }
      }),
      { numRuns: 150 },
    );
    expect(compared).toBeGreaterThan(500);
  });

  test("may be cut any number of times", () => {
    fc.assert(
      fc.property(anyLog, fc.array(fc.nat(), { maxLength: 5 }), (log, places) => {
        const cuts = places.map((place) => place % (log.length + 1)).sort((a, b) => a - b);
        fc.pre(cuts.every((cut) => returning(log, cut).length === 0));
        expect(inParts(log, cuts).finish(later)).toEqual(audit(log));
      }),
    );
  });

  test("judges orders under way by their age at its end, and by what was given up", () => {
    const log = ways.SHIPPED("late").slice(0, 3);
    const young = { nowMs: 10, graceMs: 1000 };
    expect(inParts(log, [2]).finish(young)).toEqual(audit(log, young));
    const givenUp = { ...later, givenUp: new Map([["late", "shipping-booker gave up on it"]]) };
    expect(inParts(log, [2]).finish(givenUp)).toEqual(audit(log, givenUp));
  });

  test("names the first event that comes for an order that had ended before the cut", () => {
    let returned = 0;
    fc.assert(
      fc.property(anyLog, fc.nat(), (log, place) => {
        const cut = place % (log.length + 1);
        const auditor = inParts(log, [cut]);
        const suspects = [...auditor.maybeRepeated()];
        const back = returning(log, cut);
        const named = auditor.finish(later).offenders.map(({ sequence }) => sequence);
        for (const { sequence, event: first } of back) {
          returned += 1;
          if (first.kind === "created") expect(suspects).toContain(first.orderId);
          else expect(named).toContain(sequence);
        }
      }),
      { numRuns: 1000 },
    );
    expect(returned).toBeGreaterThan(50);
  });

  test("finds units that were reserved before the cut oversold", () => {
    const log = [...ways.SHIPPED("a"), ...ways.SHIPPED("b")];
    const scope = { ...later, stock: new Map([["MUG-3", 3]]) };
    expect(inParts(log, [5]).finish(scope)).toEqual(audit(log, scope));
  });

  test("lists the first violations only, as many as without a cut, and counts all", () => {
    const log = Array.from({ length: 150 }, (_, index) => event("payments", `o-${index}`));
    const report = inParts(log, [120]).finish(later);
    expect(report).toEqual(audit(log));
    expect(report).toMatchObject({ offences: 150, violations: { missing_cause: 150 } });
    expect(report.offenders).toHaveLength(100);
  });
});

describe("a second created event", () => {
  const again = event("created", "o-1");

  test("is a second event where the archive does not know of a first one", () => {
    const log = [...ways.SHIPPED("o-1"), again];
    expect(audit(log).offenders).toEqual([
      { rule: "duplicate_event", orderId: "o-1", sku: null, sequence: 6, detail: expect.any(String) },
    ]);
  });

  test.each([
    ["read with the first", 0],
    ["read after the first was forgotten", 5],
    ["in the state itself", 6],
  ])("of an archived order is a repeat and breaks nothing: %s", (_, cut) => {
    const auditor = inParts([...ways.SHIPPED("o-1"), again], cut === 0 ? [] : [cut]);
    expect([...auditor.maybeRepeated()]).toEqual(["o-1"]);
    auditor.addRepeats(new Set(["o-1"]));
    expect(auditor.finish(later)).toMatchObject({ verdict: "PASS", orders: 1, ended: 1, repeats: 1 });
  });

  test.each([
    ["read with the first", []],
    ["read after the first was forgotten", [5]],
  ])("may not lead to a payment: %s", (_, cuts) => {
    const auditor = inParts([...ways.SHIPPED("o-1"), again, event("payments", "o-1")], cuts);
    auditor.addRepeats(new Set(["o-1"]));
    expect(auditor.finish(later)).toMatchObject({
      verdict: "FAIL",
      orders: 1,
      offences: 1,
      violations: { duplicate_event: 1 },
      offenders: [{ rule: "duplicate_event", orderId: "o-1" }],
    });
  });

  test("is found to be a repeat once, though the audit goes on", () => {
    const first = inParts([...ways.SHIPPED("o-1"), again], [5]);
    first.addRepeats(new Set(first.maybeRepeated()));
    const auditor = createAuditor({ state: first.state() });
    expect([...auditor.maybeRepeated()]).toEqual([]);
    expect(auditor.finish(later)).toMatchObject({ verdict: "PASS", orders: 1, repeats: 1 });
  });

  test("is not looked for among orders that go on from the state", () => {
    const auditor = inParts([...ways.SHIPPED("under-way"), event("created", "new")], [2]);
    expect([...auditor.maybeRepeated()]).toEqual(["new"]);
  });
});

describe("an audit of what happened since", () => {
  const since = (before: readonly OrderEvent[], after: readonly OrderEvent[]) => {
    const log = [...before, ...after];
    const auditor = add(createAuditor(), log, [0, before.length]);
    auditor.judgeFromHere();
    return add(auditor, log, [before.length]).finish(later);
  };

  test("counts what came since, and asks nothing of orders from before", () => {
    const before = [...ways.SHIPPED("a"), event("created", "never"), event("payments", "nobody")];
    expect(since(before, ways.DECLINED("b"))).toMatchObject({
      ...{ verdict: "PASS", orders: 1, ended: 1, events: 3 },
      outcomes: { SHIPPED: 0, DECLINED: 1, REFUNDED: 0 },
    });
  });

  test("takes events of earlier orders for what they are", () => {
    const [created, payment, ...rest] = ways.SHIPPED("a");
    const before = [created, payment].filter((each) => each !== undefined);
    expect(since(before, rest)).toMatchObject({
      verdict: "PASS",
      orders: 0,
      ended: 0,
      underWay: 0,
      events: 3,
    });
    expect(since(before, [...rest, event("payments", "a")]).violations).toMatchObject({ duplicate_event: 1 });
  });

  test("judges an order that was created since, whatever came for it before", () => {
    expect(since([event("payments", "a")], [event("created", "a")])).toMatchObject({
      verdict: "FAIL",
      violations: { not_notified: 1, missing_cause: 0 },
    });
  });
});

describe("a state", () => {
  const shipped = (count: number) =>
    Array.from({ length: count }, (_, index) => ways.SHIPPED(`o-${index}`)).flat();

  test("does not grow with the orders that have ended", () => {
    const auditor = add(createAuditor(), shipped(2000));
    expect(auditor.state().length).toBeLessThan(1000);
    expect(auditor.knows("o-1")).toBe(false);
  });

  test("keeps an order that ended although something is due, as it may still come", () => {
    const [shipment, ...rest] = shipped(1).toReversed().slice(1);
    const log = [...rest.toReversed(), event("notifications", "o-0"), shipment].filter(
      (each) => each !== undefined,
    );
    expect(inParts(log, [4]).finish(later)).toEqual(audit(log));
    expect(audit(log).offences).toBe(1);
  });

  test("keeps only so many of those; the oldest are judged, once", () => {
    const log = shipped(5).filter(({ kind }) => kind !== "shipments");
    const auditor = add(createAuditor({ maxEnded: 2 }), log);
    const state = auditor.state();
    expect([0, 1, 2, 3, 4].filter((index) => auditor.knows(`o-${index}`))).toEqual([3, 4]);
    const { violations, orders, ended } = createAuditor({ state }).finish(later);
    expect({ violations, orders, ended }).toEqual({
      violations: audit(log).violations,
      orders: 5,
      ended: 5,
    });
  });

  test("has the facts by name: a kind that was added to the flow does not change what they mean", () => {
    const log = ways.REFUNDED("o-1");
    const moved = rewrite(add(createAuditor(), log, [0, 4]).state(), (state) => {
      const { factNames: names, known } = state;
      state.factNames = names.toReversed();
      const bits = names.length;
      const turned = (facts: number) =>
        names.reduce(
          (sum: number, _: string, bit: number) => sum + ((facts >> bit) & 1) * 2 ** (bits - 1 - bit),
          0,
        );
      for (const row of known) row[1] = turned(row[1]);
    });
    expect(add(createAuditor({ state: moved }), log, [4]).finish(later)).toEqual(audit(log));
  });

  const good = add(createAuditor(), ways.SHIPPED("o-1"), [0, 2]).state();
  test.each([
    ["no gzip", Buffer.from("{}"), /is damaged/],
    ["cut off", good.slice(0, -9), /is damaged/],
    ["not JSON", gzipSync("state"), /is damaged/],
    ["another document", gzipSync('{"version":1}'), /is damaged/],
    ["a row that is none", rewrite(good, ({ known }) => known.push("o-2")), /is damaged/],
    ["a later version", rewrite(good, (state) => Object.assign(state, { version: 2 })), /has version 2/],
    [
      "facts of another flow",
      rewrite(good, ({ factNames }) => factNames.push("claims PAID")),
      /no claims PAID/,
    ],
  ])("that cannot be read is never taken for an empty one: %s", (_, state, why) => {
    expect(() => createAuditor({ state })).toThrow(
      expect.objectContaining({ code: "unavailable", source: "store", message: expect.stringMatching(why) }),
    );
  });

  test("of 100,000 orders under way has at most 4 MB", () => {
    const auditor = createAuditor();
    for (let index = 0; index < 100_000; index++) {
      const id = crypto.randomUUID();
      const atMs = 1_790_000_000_000 + index / 7;
      auditor.add(event("created", id), 2 * index + 1, atMs);
      auditor.add(event("payments", id, { chargeId: `ch_${id}` }), 2 * index + 2, atMs + 1);
    }
    expect(auditor.state().length).toBeLessThan(4e6);
  });
});

// biome-ignore lint/suspicious/noExplicitAny: a damaged state has any form
function rewrite(state: Uint8Array, change: (state: any) => void): Uint8Array {
  const document = JSON.parse(gunzipSync(state).toString());
  change(document);
  return gzipSync(JSON.stringify(document));
}
