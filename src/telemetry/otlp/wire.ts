import { orderctl } from "#otlp";

/**
 * The generated codecs. Decoded messages and messages to encode have the same shape: that of OTLP/JSON, with ids as
 * bytes.
 */
export const wire = orderctl.otlp.v1;

export type WireRequest = orderctl.otlp.v1.ExportTraceServiceRequest.$Properties;
export type WireResourceSpans = orderctl.otlp.v1.ResourceSpans.$Properties;
export type WireScopeSpans = orderctl.otlp.v1.ScopeSpans.$Properties;
export type WireScope = orderctl.otlp.v1.InstrumentationScope.$Properties;
export type WireSpan = orderctl.otlp.v1.Span.$Properties;
export type WireEvent = orderctl.otlp.v1.Event.$Properties;
export type WireLink = orderctl.otlp.v1.Link.$Properties;
export type WireStatus = orderctl.otlp.v1.Status.$Properties;
export type WireKeyValue = orderctl.otlp.v1.KeyValue.$Properties;
export type WireAnyValue = orderctl.otlp.v1.AnyValue.$Properties;
/** A 64-bit integer, or undefined or null for 0. */
export type WireInteger = WireSpan["startTimeUnixNano"];
