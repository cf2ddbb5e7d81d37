import { describe, expect, it } from "vitest";
import type { ProcessStatus } from "../../src/flow/process-status.ts";
import type { ConsumerLag, StreamLag } from "../../src/jetstream/streams/lag.ts";
import { lagTable } from "../../src/lag/lag-table.ts";
import { withProcesses } from "../../src/lag/service-lag.ts";
import { orderShape } from "../../src/orders/flow.ts";

const payment: ConsumerLag = {
  ...{ consumer: "payment-processor", durable: true, mode: "pull", bound: null },
  ...{ pending: 3, ackPending: 8, redelivered: 0, waiting: 0, oldestAgeMs: 900 },
  ...{ inPerS: 0, outPerS: 0, drainS: null, pausedUntil: null, ackWaitMs: 30_000 },
  ...{ comesAgainBy: "2026-03-01T12:00:20.000Z", workers: null, unclaimed: null, state: "idle", reasons: [] },
};

const lagOf = (change: Partial<ConsumerLag> = {}): StreamLag => ({
  ...{ stream: "ORDERS", sampledAt: "2026-03-01T12:00:00.000Z", intervalMs: 1000 },
  ...{ clock: { aheadMs: 0, errorMs: 0 }, consumers: [{ ...payment, ...change }] },
});

const till = (inFlight: number, problems: { consumer: string; text: string }[] = []) => ({
  ...{ instance: "till", version: "1.0.0", services: ["payment"], startedAt: "", uptimeMs: 0 },
  ...{ stopping: false, breakers: [], ordersUrl: null, metricsUrl: null, spansTo: null, archive: null },
  workers: [{ consumer: "payment-processor", processed: 0, failed: 0, duplicates: 0, inFlight }],
  problems: problems.map((problem) => ({ ...problem, forMs: 0 })),
});

const asked = (lag: StreamLag, processes: ProcessStatus[], left = 8) =>
  withProcesses(orderShape, lag, { processes: processes, leftOf: () => left }).consumers[0];

describe("a consumer that does not go on", () => {
  it("is held as far as nobody has its deliveries that answers", () => {
    expect(asked(lagOf(), [])).toMatchObject({ workers: 0, unclaimed: 8, state: "held" });
    expect(asked(lagOf(), [till(5)])).toMatchObject({ workers: 1, unclaimed: 3, state: "held" });
    expect(asked(lagOf(), [till(5), till(3)])).toMatchObject({ workers: 2, unclaimed: 0, state: "idle" });
  });

  it("waits for a breaker that is open, of whom it is, and is not held by what that hands back", () => {
    const breakers = [
      { name: "PaymentService", state: "open" as const, service: "payment", openForMs: 8000 },
    ];
    const said = withProcesses(orderShape, lagOf(), {
      processes: [{ ...till(5), breakers }],
      leftOf: () => 8,
    });
    expect(said.consumers).toMatchObject([{ unclaimed: 3, state: "idle" }]);
    const text = lagTable(said, { colour: false, width: 200, unicode: true });
    expect(text).toMatch(
      /^ORDERS: 11 .* to go; payment-processor: the breaker PaymentService of till is open\n/,
    );
    const other = { ...till(5), breakers: breakers.map((breaker) => ({ ...breaker, service: "shipping" })) };
    expect(asked(lagOf(), [other])).toMatchObject({ state: "held", reasons: [] });
  });

  it("may have had some of its deliveries handed back, where somebody works on it", () => {
    const said = withProcesses(orderShape, lagOf(), { processes: [till(5)], leftOf: () => 8 });
    expect(lagTable(said, { colour: false, width: 200, unicode: true })).toMatch(
      /; 3 deliveries of payment-processor are in no process's hands: handed back .*, until \d\d:00:20\n/,
    );
  });

  it("is not held by what was acknowledged while the processes were asked", () => {
    expect(asked(lagOf(), [till(5)], 5)).toMatchObject({ unclaimed: 0, state: "idle" });
  });

  it("is abandoned once the time of its deliveries is up and nobody asks for them", () => {
    const over = { comesAgainBy: "2026-03-01T11:59:00.000Z" };
    expect(asked(lagOf(over), [])).toMatchObject({ unclaimed: 8, state: "abandoned" });
    expect(asked(lagOf(over), [till(5)])).toMatchObject({ unclaimed: 3, state: "held" });
    expect(asked(lagOf({ ...over, waiting: 2, state: "waiting" }), [])).toMatchObject({ state: "held" });
  });

  it("has the reasons that its workers tell, and no more of them than can be read", () => {
    const refused = { consumer: "payment-processor", text: "its pulls are refused: max_batch is 1" };
    const other = { consumer: "payment-refunder", text: "something else" };
    const stuck = lagOf({ ackPending: 0, state: "abandoned" });
    const said = withProcesses(orderShape, stuck, {
      processes: [till(0, [refused, other]), till(0, [refused])],
      leftOf: () => 0,
    });
    expect(said.consumers[0]?.reasons).toEqual([refused.text]);
    const text = lagTable(said, { colour: false, width: 200, unicode: true });
    expect(text).toMatch(
      /^ORDERS: 3 deliveries to go; payment-processor: its pulls are refused: max_batch is 1\n/,
    );
    const flood = Array.from({ length: 50 }, (_, index) => ({
      ...refused,
      text: `${index} ${"x".repeat(9999)}`,
    }));
    const reasons = asked(stuck, [till(0, flood)], 0)?.reasons ?? [];
    expect(reasons).toHaveLength(5);
    expect(Math.max(...reasons.map(({ length }) => length))).toBeLessThan(1000);
  });
});

it("leaves a consumer as it is that goes on", () => {
  expect(asked(lagOf({ state: "keeps_up" }), [])).toMatchObject({ unclaimed: null, state: "keeps_up" });
});
