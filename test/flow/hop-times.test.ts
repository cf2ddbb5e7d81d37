import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { divideHop } from "../../src/flow/timeline.ts";

const hop = (receivedAtUs: number, finishedAtUs: number) => ({
  causeSequence: 1,
  service: "payment",
  instance: "box-1",
  attempt: 1,
  receivedAtUs,
  startedAtUs: receivedAtUs,
  finishedAtUs,
});

describe("divideHop", () => {
  it("moves a worker whose clock is behind to where its work fits, and says by how much", () => {
    expect(divideHop(10_000, 20_000, hop(-2000, 3000))).toEqual({
      elapsedMs: 10,
      waitedMs: 0,
      workedMs: 5,
      heldMs: 0,
      storingMs: 5,
      clockSkewMs: 12,
    });
  });

  it("counts what a breaker held as no work, and never more than there was", () => {
    const holds = [
      { breaker: "PaymentService", fromUs: 11_500, toUs: 15_500 },
      { breaker: "PaymentService", fromUs: 16_000, toUs: 18_000 },
    ];
    const times = { elapsedMs: 10, waitedMs: 1, workedMs: 2, heldMs: 6, storingMs: 1 };
    expect(divideHop(10_000, 20_000, { ...hop(11_000, 19_000), holds })).toMatchObject(times);
    const absurd = [{ breaker: "PaymentService", fromUs: 0, toUs: 1e12 }];
    const most = { workedMs: 0, heldMs: 8 };
    expect(divideHop(10_000, 20_000, { ...hop(11_000, 19_000), holds: absurd })).toMatchObject(most);
  });

  it("does the same for one whose clock is ahead", () => {
    expect(divideHop(10_000, 20_000, hop(17_000, 22_000))).toMatchObject({
      waitedMs: 5,
      workedMs: 5,
      storingMs: 0,
      clockSkewMs: -2,
    });
  });

  it("whatever the clocks say, has parts that are not negative and sum to the broker's time", () => {
    const us = fc.integer({ min: 0, max: 2 ** 40 });
    fc.assert(
      fc.property(fc.tuple(us, us, us, us), ([cause, stored, received, finished]) => {
        const { elapsedMs, waitedMs, workedMs, storingMs } = divideHop(
          cause,
          stored,
          hop(received, finished),
        );
        const parts = [waitedMs, workedMs, storingMs].map((ms) => ms ?? Number.NaN);
        expect(Math.min(...parts)).toBeGreaterThanOrEqual(0);
        expect(parts.reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(elapsedMs ?? Number.NaN, 3);
      }),
    );
  });
});
