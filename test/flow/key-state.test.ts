import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { foldKey, type PlacedEvent } from "../../src/flow/key-state.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import { event, ways } from "../orders/order-log.ts";

const startUs = Date.UTC(2026, 0, 1) * 1000;

const store = (events: readonly OrderEvent[]): PlacedEvent<OrderEvent>[] =>
  events.map((event, index) => ({ event, sequence: index + 1, storedAtUs: startUs + index * 1500 }));

const sharesOf = (way: keyof typeof ways) =>
  ways[way]("o-1").map((_, at, all) => foldKey(orderFlow, store(all.slice(0, at + 1))));

describe("an order", () => {
  test("waits for the service whose turn it is until the customer knows", () => {
    const steps = sharesOf("SHIPPED").map(({ status, waitingFor, ended, outcome }) => [
      status,
      waitingFor,
      ended,
      outcome,
    ]);
    expect(steps).toEqual([
      ["created", "payment", false, null],
      ["paid", "inventory", false, null],
      ["reserved", "shipping", false, null],
      ["shipped", "notification", false, null],
      ["shipped", null, true, "SHIPPED"],
    ]);
  });

  test("that was declined waits for the notification only", () => {
    const steps = sharesOf("DECLINED").map(({ status, waitingFor, outcome }) => [
      status,
      waitingFor,
      outcome,
    ]);
    expect(steps).toEqual([
      ["created", "payment", null],
      ["declined", "notification", null],
      ["declined", null, "DECLINED"],
    ]);
  });

  test("that was paid but is out of stock goes back to payment for its refund", () => {
    const steps = sharesOf("REFUNDED").map(({ status, waitingFor, outcome }) => [
      status,
      waitingFor,
      outcome,
    ]);
    expect(steps.slice(2)).toEqual([
      ["out_of_stock", "payment", null],
      ["refunded", "notification", null],
      ["refunded", null, "REFUNDED"],
    ]);
  });

  test("is the same in whatever order its events arrive", () => {
    const anyWay = fc.constantFrom(...Object.values(ways));
    const arrival = anyWay.chain((way) => {
      const stored = store(way("o-1"));
      return fc.record({
        stored: fc.constant(stored),
        arrived: fc.shuffledSubarray(stored, { minLength: stored.length }),
      });
    });
    fc.assert(
      fc.property(arrival, ({ stored, arrived }) => {
        expect(foldKey(orderFlow, arrived)).toEqual(foldKey(orderFlow, stored));
      }),
    );
  });

  test("has its events in causal order and the time of the last one", () => {
    const state = foldKey(orderFlow, store(ways.SHIPPED("o-1")).reverse());
    expect(state.events.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
    expect(state.since).toBe("2026-01-01T00:00:00.006Z");
    expect(state.key).toBe("o-1");
  });

  test("has the first of two events of a kind", () => {
    const declined = event("payments", "o-1", { status: "DECLINED" });
    const stored = store([event("created", "o-1"), event("payments", "o-1"), declined]);
    expect(foldKey(orderFlow, stored.reverse())).toMatchObject({
      status: "paid",
      events: [{ sequence: 1 }, { sequence: 2 }],
    });
  });

  test("of which only later events are left is still told by them", () => {
    expect(foldKey(orderFlow, store([event("shipments", "o-1")]))).toMatchObject({
      status: "shipped",
      waitingFor: "notification",
    });
  });

  test("without any event is not found", () => {
    expect(() => foldKey(orderFlow, [])).toThrow(expect.objectContaining({ code: "not_found" }));
  });
});
