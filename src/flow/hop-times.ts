import type { Hop } from "../telemetry/hop.ts";

/**
 * Where the time between two stored events went: `waitedMs` in the stream (with earlier deliveries that failed),
 * `workedMs` in the handler, `heldMs` there because a circuit breaker was open, `storingMs` until the broker had stored the outcome. They are never negative and sum
 * to `elapsedMs`, which the broker's clock alone measured.
 */
export type HopTimes = {
  elapsedMs: number | null;
  waitedMs: number | null;
  workedMs: number | null;
  heldMs: number | null;
  storingMs: number | null;
  /**
   * How much the worker's times had to be moved to fit between the broker's: what the two clocks differ by at least,
   * negative where the worker's is ahead. 0 where they agree; `null` where no worker's time is known.
   */
  clockSkewMs: number | null;
};

const unknown: HopTimes = {
  elapsedMs: null,
  waitedMs: null,
  workedMs: null,
  heldMs: null,
  storingMs: null,
  clockSkewMs: null,
};

/** Divides the time from the storing of the cause to the storing of the event. Arguments are Unix µs. */
export function divideHop(
  causeStoredAtUs: number | undefined,
  storedAtUs: number,
  hop: Hop | undefined,
): HopTimes {
  if (causeStoredAtUs === undefined) return unknown;
  const elapsed = Math.max(0, storedAtUs - causeStoredAtUs);
  if (!hop) return { ...unknown, elapsedMs: elapsed / 1000 };
  const handled = clamp(hop.finishedAtUs - hop.receivedAtUs, elapsed);
  const held = clamp(
    (hop.holds ?? []).reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0),
    handled,
  );
  const measured = hop.receivedAtUs - causeStoredAtUs;
  const waited = clamp(measured, elapsed - handled);
  return {
    elapsedMs: elapsed / 1000,
    waitedMs: waited / 1000,
    workedMs: (handled - held) / 1000,
    heldMs: held / 1000,
    storingMs: (elapsed - handled - waited) / 1000,
    clockSkewMs: (waited - measured) / 1000,
  };
}

const clamp = (value: number, most: number): number => Math.min(Math.max(0, value), most);
