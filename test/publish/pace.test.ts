import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dueBy } from "../../src/publish/publish-events.ts";

describe("dueBy", () => {
  it("makes so many orders due per second", () => {
    const pace = { rate: 250, profile: "steady" } as const;
    expect([0, 0.001, 0.5, 1, 60].map((s) => dueBy(s, pace))).toEqual([0, 0, 125, 250, 15_000]);
  });

  it("gives eight calm seconds and then two at five times the rate", () => {
    const pace = { rate: 100, profile: "burst" } as const;
    expect([1, 8, 8.5, 9, 10].map((s) => dueBy(s, pace))).toEqual([100, 800, 1050, 1300, 1800]);
    expect([11, 18, 20, 100].map((s) => dueBy(s, pace))).toEqual([1900, 2600, 3600, 18_000]);
  });

  it("never takes back what was due, nor jumps", () => {
    const profile = fc.constantFrom("steady", "burst");
    const anyPace = fc.record({ rate: fc.integer({ min: 1, max: 100_000 }), profile });
    const seconds = fc.double({ min: 0, max: 100, noNaN: true });
    const property = fc.property(anyPace, seconds, (pace, at) => {
      const step = dueBy(at + 0.01, pace) - dueBy(at, pace);
      expect(step).toBeGreaterThanOrEqual(0);
      expect(step).toBeLessThanOrEqual(Math.ceil(pace.rate * 5 * 0.01) + 1);
    });
    fc.assert(property);
  });
});
