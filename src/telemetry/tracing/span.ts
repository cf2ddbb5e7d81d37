/** JSON-safe; 64-bit integers beyond 2^53 are strings, bytes are base64. */
export type AttributeValue =
  | string
  | number
  | boolean
  | null
  | AttributeValue[]
  | { [key: string]: AttributeValue };

export type Attributes = Readonly<Record<string, AttributeValue>>;

export const spanKinds = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"] as const;

export type SpanKind = (typeof spanKinds)[number];

export const statusCodes = ["UNSET", "OK", "ERROR"] as const;

export type SpanEvent = { name: string; timeNs: bigint; attributes: Attributes };

export type SpanLink = { traceId: string; spanId: string; attributes: Attributes };

/**
 * A span as any OpenTelemetry program may have sent it. Ids are lower-case hex; times are Unix ns by the clock of the
 * process that made it.
 */
export type Span = {
  traceId: string;
  spanId: string;
  /** `null` for a root. */
  parentSpanId: string | null;
  name: string;
  kind: SpanKind;
  startNs: bigint;
  endNs: bigint;
  status: { code: (typeof statusCodes)[number]; message: string };
  attributes: Attributes;
  /** Attributes of the process: `service.name` and others. */
  resource: Attributes;
  events: readonly SpanEvent[];
  links: readonly SpanLink[];
};

/** Identifies a span within its trace. Ids are lower-case hex. */
export type SpanContext = { traceId: string; spanId: string; sampled: boolean };

const pattern = /^(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})/;

/** Reads a W3C `traceparent` header; undefined for a malformed one. https://www.w3.org/TR/trace-context/ */
export function parseTraceparent(header: string | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags = "00"] = pattern.exec(header ?? "") ?? [];
  if (traceId === undefined || spanId === undefined) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}
