import { describe, expect, it } from "vitest";
import { buildTimeline } from "../../src/flow/timeline.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import { event, ways } from "../orders/order-log.ts";
import { asForeign, loggedOrder, sinceStart } from "../support/logged-order.ts";

const times = [
  { received: -300, finished: -300, stored: 0 },
  { received: 1000, finished: 4000, stored: 4500 },
  { received: 4600, finished: 5600, stored: 6000 },
  { received: 6500, finished: 6600, stored: 7000 },
  { received: 8000, finished: 8200, stored: 9000 },
];

describe("buildTimeline", () => {
  it("tells of an ended order how long it took and what it cost", () => {
    expect(buildTimeline(orderFlow, loggedOrder(ways.SHIPPED("o-1"), times), sinceStart(1e9))).toMatchObject({
      orderId: "o-1",
      status: "shipped",
      outcome: "SHIPPED",
      ended: true,
      waitingFor: null,
      waitingMs: null,
      startedAt: "2026-03-01T12:00:00.000000Z",
      totalMs: 9,
      total: { amountMinor: 840, currency: "USD", text: "USD 8.40" },
    });
  });

  it("divides each step into waited, worked and storing", () => {
    const { hops } = buildTimeline(orderFlow, loggedOrder(ways.SHIPPED("o-1"), times), sinceStart(1e9));
    expect(hops[1]).toEqual({
      kind: "payments",
      outcome: "APPROVED",
      detail: null,
      refused: false,
      sequence: 2,
      causeSequence: 1,
      service: "payment",
      instance: "box-1",
      attempt: 1,
      storedAt: "2026-03-01T12:00:00.004500Z",
      offsetMs: 4.5,
      elapsedMs: 4.5,
      waitedMs: 1,
      workedMs: 3,
      heldMs: 0,
      heldBy: null,
      storingMs: 0.5,
      clockSkewMs: 0,
    });
  });

  it("says nothing of the time before the first event was stored", () => {
    const [created] = buildTimeline(orderFlow, loggedOrder(ways.SHIPPED("o-1"), times), sinceStart(1e9)).hops;
    expect(created).toMatchObject({ offsetMs: 0, elapsedMs: null, waitedMs: null, causeSequence: null });
  });

  it("counts until now for an order under way, and names who is next", () => {
    const logged = loggedOrder(ways.SHIPPED("o-1").slice(0, 2), times);
    expect(buildTimeline(orderFlow, logged, sinceStart(3_204_500))).toMatchObject({
      ended: false,
      waitingFor: "inventory",
      waitingMs: 3200,
      totalMs: 3204.5,
    });
  });

  it("is not put out by a clock of ours behind the broker's", () => {
    const logged = loggedOrder(ways.SHIPPED("o-1").slice(0, 2), times);
    expect(buildTimeline(orderFlow, logged, sinceStart(0))).toMatchObject({ waitingMs: 0, totalMs: 4.5 });
  });

  it("leaves unknown what programs without a hop header do not tell, and still finds the cause", () => {
    const logged = asForeign(loggedOrder(ways.REFUNDED("o-1"), times));
    const { hops } = buildTimeline(orderFlow, logged, sinceStart(1e9));
    expect(hops.map(({ causeSequence }) => causeSequence)).toEqual([null, 1, 2, 3, 4]);
    expect(hops[1]).toMatchObject({
      service: null,
      instance: null,
      attempt: null,
      elapsedMs: 4.5,
      waitedMs: null,
      workedMs: null,
      storingMs: null,
      clockSkewMs: null,
    });
  });

  it("names the reason of a refusal", () => {
    const outcomes = [
      event("payments", "o-1", { status: "DECLINED", reason: "card_expired" }),
      event("reservations", "o-1", { status: "OUT_OF_STOCK", missingSkus: ["MUG-3", "TRAY-1", "LAMP-2"] }),
    ].map((refusal) => buildTimeline(orderFlow, loggedOrder([refusal], times), sinceStart(1e9)).hops[0]);
    expect(outcomes).toMatchObject([
      { outcome: "DECLINED", detail: "card_expired", refused: true },
      { outcome: "OUT_OF_STOCK", detail: "MUG-3 +2", refused: true },
    ]);
  });

  it("refuses an order of which nothing is stored", () => {
    expect(() => buildTimeline(orderFlow, [], sinceStart(0))).toThrow(
      expect.objectContaining({ code: "not_found" }),
    );
  });
});
