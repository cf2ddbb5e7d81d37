/** Where in which trace something happened. Ids are lower-case hex. */
export type SpanContext = { traceId: string; spanId: string; sampled: boolean };

const pattern = /^(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})/;

/** Reads a W3C `traceparent` header; undefined for a malformed one. https://www.w3.org/TR/trace-context/ */
export function parseTraceparent(header: string | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags = "00"] = pattern.exec(header ?? "") ?? [];
  if (traceId === undefined || spanId === undefined) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}
