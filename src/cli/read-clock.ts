import { type BrokerClock, type ClockDifference, readBrokerClock } from "../jetstream/client/broker-clock.ts";
import { formatDuration } from "../terminal/format.ts";
import type { App, Online } from "./command-action.ts";

/**
 * The broker's clock, by which a stream's messages are timed. Notes if this machine's clock differs from it, and if
 * that cannot be known.
 */
export async function readClock({ connection, terminal }: Online, stream: string): Promise<BrokerClock> {
  const clock = await readBrokerClock(connection, stream);
  noteClock(terminal, clock.difference);
  return clock;
}

export function noteClock(terminal: App["terminal"], difference: ClockDifference): void {
  const text = clockNote(difference);
  if (text !== undefined) terminal.note(text);
}

/** Clocks that are set over the network may differ by less than this; it is not worth a note. */
const noticeableMs = 2000;

/** The note about this machine's clock; undefined if none is needed. */
export function clockNote({ aheadMs, errorMs }: ClockDifference): string | undefined {
  if (aheadMs === null)
    return "the broker does not tell its time to this user; ages are by this machine's clock";
  if (Math.abs(aheadMs) - (errorMs ?? 0) <= noticeableMs) return undefined;
  const apart = `${formatDuration(Math.abs(aheadMs))} ${aheadMs > 0 ? "ahead of" : "behind"}`;
  return `this machine's clock is ${apart} the broker's; ages are by the broker's clock`;
}

/** A broker time as a local wall clock shows it, with its date when that differs from the sample's. */
export function clockTime(
  iso: string,
  { sampledAt, clock }: { sampledAt: string; clock: ClockDifference },
): string {
  const here = (time: string) => new Date(Date.parse(time) + (clock.aheadMs ?? 0));
  const at = here(iso);
  const time = at.toTimeString().slice(0, 8);
  if (at.toDateString() === here(sampledAt).toDateString()) return time;
  const two = (n: number) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}
