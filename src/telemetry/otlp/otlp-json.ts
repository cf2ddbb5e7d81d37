import type { Span } from "../span.ts";
import { buildRequest } from "./build-request.ts";
import { parseOtlpJson } from "./json-request.ts";
import { checkSpanIds } from "./span-ids.ts";
import { spansOf } from "./wire-spans.ts";

/** The spans of a parsed OTLP/JSON document. Throws `bad_message` naming the path of what is wrong with it. */
export const decodeOtlpJson = (value: unknown): Span[] => spansOf(checkSpanIds(parseOtlpJson(value)));

/** An OTLP/JSON document of these spans, grouped by resource. */
export const encodeOtlpJson = (spans: readonly Span[]): object =>
  buildRequest(spans, { id: (hex) => hex, int64: String });
