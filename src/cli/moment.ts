import { InvalidArgumentError } from "commander";
import { parseDurationMs } from "../core/units.ts";

/** A time in Unix µs, or an age that counts back from the broker's time. */
export type Moment = { us: number } | { agoMs: number };

const rfc3339 = /^\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}:\d{2}(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2}))?$/;

/** Parses an RFC 3339 time, a date (its midnight in UTC), or an age such as `2h`. */
export function moment(text: string): Moment {
  const agoMs = parseDurationMs(text);
  if (agoMs !== undefined) return { agoMs };
  const match = rfc3339.exec(text);
  const ms = match ? Date.parse(text.replace(/\.\d+/, "")) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new InvalidArgumentError("expected a time such as 2026-01-31T09:00:00Z, or 15m or 2h ago.");
  }
  return { us: ms * 1000 + Number((match?.[1] ?? "").padEnd(6, "0").slice(0, 6)) };
}

/** The moment in Unix µs, given the broker's time; before 1970 too. */
export const placeMoment = (given: Moment, nowUs: number): number =>
  "us" in given ? given.us : Math.round(nowUs - given.agoMs * 1000);
