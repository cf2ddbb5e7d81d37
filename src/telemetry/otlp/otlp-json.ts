import type { Span } from "../tracing/span.ts";
import type { SpanReading } from "../tracing/span-reading.ts";
import { buildRequest } from "./build-request.ts";
import { parseOtlpJson } from "./json-request.ts";
import { readingOf } from "./wire-spans.ts";

/** The spans of a parsed OTLP/JSON document. Throws `bad_message`, naming the path, if it is none. */
export const decodeOtlpJson = (value: unknown): SpanReading => readingOf(parseOtlpJson(value));

/** An OTLP/JSON document with these spans, grouped by resource. */
export const encodeOtlpJson = (spans: readonly Span[]): object =>
  buildRequest(spans, { id: (hex) => hex, int64: String });
