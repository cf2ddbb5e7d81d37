import { decodeOtlpJson } from "../../../src/telemetry/otlp/otlp-json.ts";
import { decodeOtlp } from "../../../src/telemetry/otlp/otlp-protobuf.ts";
import type { Span } from "../../../src/telemetry/tracing/span.ts";

/** The spans of a document or message in which there is nothing that cannot be read. */
export const spansInJson = (document: unknown): Span[] => allOf(decodeOtlpJson(document));
export const spansIn = (bytes: Uint8Array): Span[] => allOf(decodeOtlp(bytes));

function allOf({ spans, unreadable }: ReturnType<typeof decodeOtlp>): Span[] {
  if (unreadable.reasons.length > 0) throw new Error(unreadable.reasons.join());
  return spans;
}
