import { type Span, type SpanEvent, type SpanLink, spanKinds, statusCodes } from "../span.ts";
import { attributesOf } from "./any-value.ts";
import type { WireEvent, WireLink, WireRequest, WireSpan } from "./wire.ts";
import { toBigint } from "./wire-integer.ts";

/** Every span of a request whose ids are good, in its order; those of one process share their `resource`. */
export const spansOf = (request: WireRequest): Span[] =>
  (request.resourceSpans ?? []).flatMap(({ resource, scopeSpans }) => {
    const attributes = attributesOf(resource?.attributes);
    return (scopeSpans ?? []).flatMap(({ spans }) => (spans ?? []).map((span) => spanOf(span, attributes)));
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

/** Lower-case. */
export const hexOf = (id: Id): string =>
  id instanceof Buffer ? id.toString("hex") : Buffer.from(id ?? []).toString("hex");

/** True for no id at all, too: some programs give a root sixteen zeros as its parent. */
export const isZero = (id: Id): boolean => (id ?? []).every((byte) => byte === 0);
