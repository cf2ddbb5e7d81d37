import {
  type Attributes,
  type AttributeValue,
  type Span,
  type SpanEvent,
  type SpanLink,
  spanKinds,
  statusCodes,
} from "../tracing/span.ts";

/** How ids and 64-bit integers are written: the one difference between OTLP's two encodings. */
type Format<Id, Int64> = { id(hex: string): Id; int64(value: bigint | number): Int64 };

type AnyValue<Int64> =
  | { stringValue: string }
  | { boolValue: boolean }
  | { intValue: Int64 }
  | { doubleValue: number }
  | { arrayValue: { values: AnyValue<Int64>[] } }
  | { kvlistValue: { values: KeyValue<Int64>[] } }
  | Record<string, never>;

type KeyValue<Int64> = { key: string; value: AnyValue<Int64> };

/** An export request with these spans, grouped by resource. */
export function buildRequest<Id, Int64>(spans: readonly Span[], format: Format<Id, Int64>) {
  const groups = new Map<string, Span[]>();
  for (const span of spans) {
    const resource = JSON.stringify(span.resource);
    const group = groups.get(resource);
    if (group) group.push(span);
    else groups.set(resource, [span]);
  }
  return {
    resourceSpans: [...groups.values()].map((group) => ({
      resource: { attributes: pairsOf(group[0]?.resource ?? {}, format) },
      scopeSpans: [{ scope: {}, spans: group.map((span) => buildSpan(span, format)) }],
    })),
  };
}

const buildSpan = <Id, Int64>(span: Span, format: Format<Id, Int64>) => ({
  traceId: format.id(span.traceId),
  spanId: format.id(span.spanId),
  ...(span.parentSpanId === null ? {} : { parentSpanId: format.id(span.parentSpanId) }),
  name: span.name,
  kind: spanKinds.indexOf(span.kind),
  startTimeUnixNano: format.int64(span.startNs),
  endTimeUnixNano: format.int64(span.endNs),
  attributes: pairsOf(span.attributes, format),
  events: span.events.map((event) => buildEvent(event, format)),
  links: span.links.map((link) => buildLink(link, format)),
  status: { code: statusCodes.indexOf(span.status.code), message: span.status.message },
});

const buildEvent = <Id, Int64>({ name, timeNs, attributes }: SpanEvent, format: Format<Id, Int64>) => ({
  timeUnixNano: format.int64(timeNs),
  name,
  attributes: pairsOf(attributes, format),
});

const buildLink = <Id, Int64>({ traceId, spanId, attributes }: SpanLink, format: Format<Id, Int64>) => ({
  traceId: format.id(traceId),
  spanId: format.id(spanId),
  attributes: pairsOf(attributes, format),
});

const pairsOf = <Id, Int64>(attributes: Attributes, format: Format<Id, Int64>): KeyValue<Int64>[] =>
  Object.entries(attributes).map(([key, value]) => ({ key, value: anyValueOf(value, format) }));

function anyValueOf<Id, Int64>(value: AttributeValue, format: Format<Id, Int64>): AnyValue<Int64> {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number")
    return Number.isSafeInteger(value) ? { intValue: format.int64(value) } : { doubleValue: value };
  if (value === null) return {};
  if (Array.isArray(value)) return { arrayValue: { values: value.map((each) => anyValueOf(each, format)) } };
  return { kvlistValue: { values: pairsOf(value, format) } };
}
