import {
  type Attributes,
  type AttributeValue,
  type Span,
  type SpanEvent,
  type SpanLink,
  spanKinds,
  statusCodes,
} from "../tracing/span.ts";
import type { SpanReading } from "../tracing/span-reading.ts";
import type { Item, ParsedSpans } from "./parsed-spans.ts";
import type { WireAnyValue, WireEvent, WireKeyValue, WireLink, WireResourceSpans, WireSpan } from "./wire.ts";
import { toBigint, toNumberOrText } from "./wire-integer.ts";

/** The spans of a request, in its order; spans of one `ResourceSpans` share their `resource` object. */
function spansOf(items: readonly Item[]): Span[] {
  let last: WireResourceSpans | undefined;
  let attributes: Span["resource"] = {};
  return items.map(({ resource, span }) => {
    if (resource !== last) attributes = attributesOf(resource.resource?.attributes);
    last = resource;
    return spanOf(span, attributes);
  });
}

export const readingOf = ({ items, faults: { spans, reasons } }: ParsedSpans): SpanReading => ({
  spans: spansOf(items),
  unreadable: { spans, reasons },
});

const spanOf = (span: WireSpan, resource: Span["resource"]): Span => ({
  traceId: hexOf(span.traceId),
  spanId: hexOf(span.spanId),
  parentSpanId: isZero(span.parentSpanId) ? null : hexOf(span.parentSpanId),
  name: span.name ?? "",
  kind: spanKinds[span.kind ?? 0] ?? "UNSPECIFIED",
  startNs: toBigint(span.startTimeUnixNano),
  endNs: toBigint(span.endTimeUnixNano),
  status: { code: statusCodes[span.status?.code ?? 0] ?? "UNSET", message: span.status?.message ?? "" },
  attributes: attributesOf(span.attributes),
  resource,
  events: (span.events ?? []).map(eventOf),
  links: (span.links ?? []).map(linkOf),
});

const eventOf = ({ name, timeUnixNano, attributes }: WireEvent): SpanEvent => ({
  name: name ?? "",
  timeNs: toBigint(timeUnixNano),
  attributes: attributesOf(attributes),
});

const linkOf = ({ traceId, spanId, attributes }: WireLink): SpanLink => ({
  traceId: hexOf(traceId),
  spanId: hexOf(spanId),
  attributes: attributesOf(attributes),
});

type Id = Uint8Array | null | undefined;

/** An id in lower-case hex; empty if there is none. */
export const hexOf = (id: Id): string =>
  id instanceof Buffer ? id.toString("hex") : Buffer.from(id ?? []).toString("hex");

/** Whether an id is missing or all zeros: some programs send sixteen zeros as the parent of a root. */
export const isZero = (id: Id): boolean => (id ?? []).every((byte) => byte === 0);

/** Of two attributes with the same key, the last one counts. */
export const attributesOf = (pairs: readonly WireKeyValue[] | null | undefined): Attributes =>
  Object.fromEntries((pairs ?? []).map(({ key, value }) => [key ?? "", attributeOf(value)]));

/** Bytes become base64; numbers that JSON cannot represent (NaN, infinities, integers beyond 2^53) become text. */
function attributeOf(value: WireAnyValue | null | undefined): AttributeValue {
  if (value == null) return null;
  const { stringValue, boolValue, intValue, doubleValue } = value;
  if (stringValue != null) return stringValue;
  if (intValue != null) return toNumberOrText(intValue);
  if (boolValue != null) return boolValue;
  if (doubleValue != null) return Number.isFinite(doubleValue) ? doubleValue : String(doubleValue);
  return nestedOf(value);
}

function nestedOf({ arrayValue, kvlistValue, bytesValue }: WireAnyValue): AttributeValue {
  if (arrayValue != null) return (arrayValue.values ?? []).map(attributeOf);
  if (kvlistValue != null) return attributesOf(kvlistValue.values);
  return bytesValue == null ? null : Buffer.from(bytesValue).toString("base64");
}
