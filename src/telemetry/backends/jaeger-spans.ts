import { hasTimes } from "../otlp/check-span.ts";
import {
  type Attributes,
  type AttributeValue,
  type Span,
  type SpanEvent,
  type SpanKind,
  type SpanLink,
  spanKinds,
} from "../tracing/span.ts";
import { SpanFaults, type SpanReading } from "../tracing/span-reading.ts";

/**
 * The part of Jaeger's own JSON format that is read here: times in Unix µs, durations in µs
 * (https://github.com/jaegertracing/jaeger-idl, package `model/json`).
 */
export type JaegerTrace = {
  spans?: JaegerSpan[] | null;
  processes?: Record<string, { serviceName?: string; tags?: JaegerTag[] | null }> | null;
};

type JaegerSpan = {
  traceID: string;
  spanID: string;
  operationName?: string;
  references?: JaegerReference[] | null;
  startTime?: number;
  duration?: number;
  tags?: JaegerTag[] | null;
  logs?: { timestamp: number; fields?: JaegerTag[] | null }[] | null;
  processID?: string;
};

type JaegerReference = { refType?: string; traceID: string; spanID: string };
type JaegerTag = { key: string; type?: string; value?: unknown };

/**
 * Reads a trace in Jaeger's own JSON; times are precise to the µs. A span that cannot be read is counted in
 * `unreadable`. Throws a TypeError if the value is no trace.
 */
export function decodeJaegerTrace({ spans: given, processes }: JaegerTrace): SpanReading {
  const spans: Span[] = [];
  const faults = new SpanFaults();
  for (const [index, span] of (given ?? []).entries()) {
    try {
      spans.push(decodeSpan(span, processes?.[span.processID ?? ""]));
    } catch (thrown) {
      faults.add(`spans[${index}]: ${thrown instanceof Error ? thrown.message : thrown}`);
    }
  }
  return { spans, unreadable: { spans: faults.spans, reasons: faults.reasons } };
}

function decodeSpan(
  span: JaegerSpan,
  process: { serviceName?: string; tags?: JaegerTag[] | null } = {},
): Span {
  const tags = attributesOf(span.tags);
  const startNs = nsOf(span.startTime);
  const endNs = startNs + nsOf(span.duration);
  if (!hasTimes({ startNs, endNs })) throw new TypeError(`${span.startTime} is no time of a span`);
  const parent = parentOf(span);
  return {
    traceId: traceIdOf(span.traceID),
    spanId: spanIdOf(span.spanID),
    parentSpanId: parent ? spanIdOf(parent.spanID) : null,
    name: span.operationName ?? "",
    kind: kindOf(tags["span.kind"]),
    startNs,
    endNs,
    status: statusOf(tags),
    attributes: without(tags, translatedTags),
    resource: { "service.name": process.serviceName ?? "", ...attributesOf(process.tags) },
    events: (span.logs ?? []).map(decodeLog),
    links: (span.references ?? []).filter((each) => each !== parent).map(decodeLink),
  };
}

/** Tags into which Jaeger translates fields of an OpenTelemetry span: they are fields here, not attributes. */
const translatedTags = [
  "span.kind",
  "error",
  "otel.status_code",
  "otel.status_description",
  "otel.scope.name",
  "otel.scope.version",
  "internal.span.format",
];

const traceIdOf = (id: string): string => hexId(id, 32);
const spanIdOf = (id: string): string => hexId(id, 16);

/** Earlier versions of Jaeger leave out leading zeros. */
function hexId(id: string, digits: number): string {
  if (!/^[0-9a-f]+$/i.test(id) || id.length > digits) throw new TypeError(`${JSON.stringify(id)} is no id`);
  return id.toLowerCase().padStart(digits, "0");
}

const nsOf = (us: number | undefined): bigint => BigInt(Math.round(us ?? 0)) * 1000n;

/**
 * The parent is the first CHILD_OF reference within the trace, else the first reference within it. Every other
 * reference is a link: a parent in another trace is not possible.
 */
function parentOf({ references, traceID }: JaegerSpan): JaegerReference | undefined {
  const own = (references ?? []).filter((each) => traceIdOf(each.traceID) === traceIdOf(traceID));
  return own.find(({ refType }) => refType === "CHILD_OF") ?? own[0];
}

const decodeLink = ({ traceID, spanID }: JaegerReference): SpanLink => ({
  traceId: traceIdOf(traceID),
  spanId: spanIdOf(spanID),
  attributes: {},
});

function decodeLog({ timestamp, fields }: { timestamp: number; fields?: JaegerTag[] | null }): SpanEvent {
  const { event, ...attributes } = attributesOf(fields);
  return { name: typeof event === "string" ? event : "log", timeNs: nsOf(timestamp), attributes };
}

function kindOf(tag: AttributeValue | undefined): SpanKind {
  const name = String(tag).toUpperCase();
  return spanKinds.find((kind) => kind === name) ?? "UNSPECIFIED";
}

function statusOf(tags: Attributes): Span["status"] {
  const description = tags["otel.status_description"];
  const message = typeof description === "string" ? description : "";
  if (tags.error === true || tags["otel.status_code"] === "ERROR") return { code: "ERROR", message };
  return { code: tags["otel.status_code"] === "OK" ? "OK" : "UNSET", message };
}

const attributesOf = (tags: JaegerTag[] | null | undefined): Attributes =>
  Object.fromEntries((tags ?? []).map(({ key, type, value }) => [key, tagValue(type, value)]));

/** The value of a tag. Jaeger writes integers beyond 2^53 as text; they stay text. */
function tagValue(type: string | undefined, value: unknown): AttributeValue {
  if (type === "bool") return value === true || value === "true";
  const asNumber = type === "int64" || type === "float64" ? Number(value) : Number.NaN;
  if (Number.isFinite(asNumber) && (type === "float64" || Number.isSafeInteger(asNumber))) return asNumber;
  return typeof value === "string" || typeof value === "number" ? value : JSON.stringify(value ?? null);
}

const without = (attributes: Attributes, names: readonly string[]): Attributes =>
  Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)));
