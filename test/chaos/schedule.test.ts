import fc from "fast-check";
import { expect, it } from "vitest";
import { buildSchedule, type Fault, processes } from "./schedule.ts";

const options = { seed: 7, spanMs: 60_000, kills: 10, longestMs: 5000 };
const any = fc.record({
  seed: fc.nat(),
  spanMs: fc.integer({ min: 1000, max: 3_600_000 }),
  kills: fc.nat(300),
  longestMs: fc.integer({ min: 1, max: 40_000 }),
});

const killsOf = (faults: readonly Fault[]) => faults.filter(({ kind }) => kind === "kill");

it("is the same for the same seed, and another for another", () => {
  expect(buildSchedule(options)).toEqual(buildSchedule({ ...options }));
  expect(buildSchedule(options)).not.toEqual(buildSchedule({ ...options, seed: 8 }));
  expect(buildSchedule(options).slice(0, 4)).toMatchInlineSnapshot(`
    [
      {
        "atMs": 331,
        "forMs": 3009,
        "kind": "stall",
        "target": "publisher",
      },
      {
        "atMs": 1660,
        "forMs": 0,
        "kind": "kill",
        "target": "worker one",
      },
      {
        "atMs": 3736,
        "forMs": 0,
        "kind": "second start",
        "target": "broker",
      },
      {
        "atMs": 6230,
        "forMs": 2000,
        "kind": "kill",
        "target": "broker",
      },
    ]
  `);
});

it("has as many kills as asked for, spread evenly over all processes", () => {
  fc.assert(
    fc.property(any, (asked) => {
      const kills = killsOf(buildSchedule(asked));
      expect(kills).toHaveLength(asked.kills);
      const each = processes.map((name) => kills.filter(({ target }) => target === name).length);
      expect(Math.max(...each) - Math.min(...each)).toBeLessThanOrEqual(1);
    }),
  );
});

it("has each other fault once at least, whatever the seed", () => {
  fc.assert(
    fc.property(any, (asked) => {
      const others = buildSchedule({ ...asked, kills: 0 });
      expect(new Set(others.map(({ kind, target }) => `${kind} ${target}`)).size).toBe(23);
      expect(others).toHaveLength(25);
    }),
  );
});

it("begins them in order within the span, lets none outlast the longest, and starts all but the broker at once", () => {
  fc.assert(
    fc.property(any, (asked) => {
      const faults = buildSchedule(asked);
      const times = faults.map(({ atMs }) => atMs);
      expect(times).toEqual([...times].sort((one, other) => one - other));
      expect(Math.max(...times)).toBeLessThanOrEqual(asked.spanMs);
      expect(Math.max(...faults.map(({ forMs }) => forMs))).toBeLessThanOrEqual(
        Math.max(300, asked.longestMs),
      );
      const stops = faults.filter(({ kind }) => kind === "kill" || kind === "lame duck");
      const down = stops.filter(({ forMs }) => forMs > 0);
      expect(down.every(({ target, forMs }) => target === "broker" && forMs <= 2000)).toBe(true);
    }),
  );
});
