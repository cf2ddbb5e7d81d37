import { allReadable, type SpanReading } from "../tracing/span-reading.ts";

/** The reading of a trace that a backend does not know. */
export const nothing: SpanReading = { spans: [], unreadable: allReadable };

/** Returns the reading; throws a TypeError if none of its spans could be read, since the answer is then no trace. */
export function someOf(reading: SpanReading): SpanReading {
  const { spans, unreadable } = reading;
  const [reason] = unreadable.reasons;
  if (spans.length === 0 && reason !== undefined) throw new TypeError(reason);
  return reading;
}
