import { type BrokerClock, type ClockDifference, readBrokerClock } from "../jetstream/client/broker-clock.ts";
import type { App, Online } from "./act.ts";
import { clockNote } from "./clock-note.ts";

/** The clock that a stream's messages are stored by. Notes where this machine's differs, and where it cannot be known. */
export async function readClock({ connection, terminal }: Online, stream: string): Promise<BrokerClock> {
  const clock = await readBrokerClock(connection, stream);
  noteClock(terminal, clock.difference);
  return clock;
}

export function noteClock(terminal: App["terminal"], difference: ClockDifference): void {
  const text = clockNote(difference);
  if (text !== undefined) terminal.note(text);
}
