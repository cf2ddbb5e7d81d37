/**
 * Converts a trace that a backend's protobuf library printed as JSON into OTLP/JSON
 * (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding): ids become hex instead of base64, and lists get
 * their current names. What is already OTLP/JSON stays the same.
 */
export function toOtlpDocument(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toOtlpDocument);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => rewrite(key, inner)));
}

function rewrite(key: string, value: unknown): [string, unknown] {
  if (key === "attributes") return [key, value];
  const digits = idDigits[key];
  if (digits !== undefined && typeof value === "string") return [key, hexId(value, digits)];
  return [oldNames[key] ?? key, toOtlpDocument(value)];
}

const oldNames: Readonly<Record<string, string>> = {
  batches: "resourceSpans",
  instrumentationLibrarySpans: "scopeSpans",
  instrumentationLibrary: "scope",
};

const idDigits: Readonly<Record<string, number>> = { traceId: 32, spanId: 16, parentSpanId: 16 };

/** An id as hex. Padding tells base64 from hex: base64 of 8 or 16 bytes always ends with `=`. */
const hexId = (text: string, digits: number): string =>
  text.endsWith("=") ? Buffer.from(text, "base64").toString("hex").padStart(digits, "0") : text.toLowerCase();
