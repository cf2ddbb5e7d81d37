import { describe, expect, it } from "vitest";
import { type PaceClock, ReplayPace } from "../../src/replay/run.ts";

/** A clock that goes on only when somebody waits, and then a bit too far, as timers do. */
function lateClock(lateMs: number): PaceClock & { at: number } {
  return {
    at: 1000,
    now() {
      return this.at;
    },
    async wait(ms) {
      this.at += ms + lateMs;
    },
  };
}

const never = new AbortController().signal;

async function dueTimes(factor: number | null, storedAtMs: number[], clock = lateClock(0)) {
  const pace = new ReplayPace(factor, clock);
  const times: number[] = [];
  for (const ms of storedAtMs) {
    await pace.due(ms * 1000, never);
    times.push(clock.at - 1000);
  }
  return times;
}

describe("the pace of a replay", () => {
  it("keeps the original spacing at 1x", async () => {
    expect(await dueTimes(1, [50, 50, 60, 1060])).toEqual([0, 0, 10, 1010]);
  });

  it("divides it by the factor", async () => {
    expect(await dueTimes(10, [0, 100, 1000])).toEqual([0, 10, 100]);
    expect(await dueTimes(2.5, [0, 100, 1000])).toEqual([0, 40, 400]);
  });

  it("does not wait at all without a factor", async () => {
    expect(await dueTimes(null, [0, 100, 1_000_000])).toEqual([0, 0, 0]);
    expect(new ReplayPace(null).due(1, never)).toBeUndefined();
  });

  it("does not drift, however late each wait ends", async () => {
    const stored = Array.from({ length: 101 }, (_, index) => index * 10);
    const times = await dueTimes(1, stored, lateClock(3));
    expect(times.at(-1)).toBe(1003);
    expect(times.every((time, index) => time >= index * 10 && time <= index * 10 + 3)).toBe(true);
  });

  it("waits longer than a timer can", async () => {
    const days = 60 * 24 * 3600 * 1000;
    expect(await dueTimes(1, [0, days])).toEqual([0, days]);
  });

  it("does not wait for what was stored earlier than the one before", async () => {
    expect(await dueTimes(1, [100, 50, 110])).toEqual([0, 0, 10]);
  });

  it("tells how long the next message takes, and ends when it is stopped", async () => {
    const stop = new AbortController();
    const pace = new ReplayPace(1);
    await pace.due(0, stop.signal);
    const waiting = pace.due(3_600_000_000, stop.signal);
    expect(pace.waitMs).toBeGreaterThan(3_500_000);
    stop.abort();
    await waiting;
  }, 5000);
});
