import { allReadable, type SpanReading } from "../tracing/span-reading.ts";

/** Of a trace that a backend does not know. */
export const nothing: SpanReading = { spans: [], unreadable: allReadable };

/** Throws a TypeError where nothing at all of what is there can be read: then it is no trace. */
export function someOf(reading: SpanReading): SpanReading {
  const { spans, unreadable } = reading;
  const [reason] = unreadable.reasons;
  if (spans.length === 0 && reason !== undefined) throw new TypeError(reason);
  return reading;
}
