import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OrderctlError } from "../../../src/core/errors.ts";
import { decodeOtlpJson } from "../../../src/telemetry/otlp/otlp-json.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const good = { traceId, spanId: "00f067aa0ba902b7", startTimeUnixNano: "1760000000000000000" };
const requestOf = (...spans: unknown[]) => ({ resourceSpans: [{ scopeSpans: [{ spans }] }] });
const withValue = (value: unknown) => requestOf({ ...good, attributes: [{ key: "a", value }] });

/** What is said of what cannot be taken: of a span, or of the whole document. */
function faultIn(document: unknown): string | undefined {
  try {
    return decodeOtlpJson(document).unreadable.reasons[0];
  } catch (thrown) {
    return thrown instanceof OrderctlError && thrown.code === "bad_message" ? thrown.message : undefined;
  }
}

describe("decodeOtlpJson", () => {
  it.each<[string, unknown, string]>([
    ["no object", [], "the document: expected an object"],
    ["no list", { resourceSpans: {} }, "resourceSpans: expected an array"],
    ["no span", requestOf(good, 7), "resourceSpans[0].scopeSpans[0].spans[1]: expected an object"],
    [
      "a trace id that is too short",
      { resourceSpans: [{ scopeSpans: [{}, { spans: [good, good, good, { ...good, traceId: "4bf9" }] }] }] },
      "resourceSpans[0].scopeSpans[1].spans[3].traceId: expected 32 hex digits",
    ],
    [
      "an id that is no hex",
      requestOf({ ...good, spanId: "00f067aa0ba902bx" }),
      "spanId: expected 16 hex digits",
    ],
    ["an id with a tail", requestOf({ ...good, traceId: `${traceId}zz` }), "traceId: expected 32 hex digits"],
    ["an id of zeros", requestOf({ ...good, spanId: "0".repeat(16) }), "spanId: all zero"],
    ["a bad parent", requestOf({ ...good, parentSpanId: "00f0" }), "parentSpanId: expected 16 hex digits"],
    ["a name that is no text", requestOf({ ...good, name: 5 }), "spans[0].name: expected a string"],
    ["a time with a fraction", requestOf({ ...good, startTimeUnixNano: "1.5" }), "a 64-bit integer"],
    [
      "a time before 1970",
      requestOf({ ...good, endTimeUnixNano: "-1" }),
      "endTimeUnixNano: expected a 64-bit",
    ],
    [
      "a time beyond 64 bits",
      requestOf({ ...good, endTimeUnixNano: "18446744073709551616" }),
      "64-bit integer",
    ],
    [
      "an unknown kind",
      requestOf({ ...good, kind: "SPAN_KIND_BAKER" }),
      "kind: expected a number, or SPAN_KIND_",
    ],
    // An object that says how it is written used to end as a TypeError, and so as a 500.
    ["a count that is an object", requestOf({ ...good, flags: { toString: 0 } }), "flags: expected a 32-bit"],
    ["a count in a list", requestOf({ ...good, droppedLinksCount: [1] }), "expected a 32-bit integer"],
    ["a count below zero", requestOf({ ...good, droppedEventsCount: -1 }), "expected a 32-bit integer"],
    [
      "a text that is no text",
      withValue({ stringValue: 5 }),
      "attributes[0].value.stringValue: expected a string",
    ],
    ["an integer that is none", withValue({ intValue: "many" }), "value.intValue: expected a 64-bit integer"],
    ["a number that is none", withValue({ doubleValue: "many" }), "value.doubleValue: expected a number"],
    ["a truth that is none", withValue({ boolValue: "yes" }), "value.boolValue: expected true or false"],
    ["bytes that are none", withValue({ bytesValue: 5 }), "value.bytesValue: expected base64"],
    [
      "a bad value inside of others",
      withValue({ arrayValue: { values: [{}, { kvlistValue: { values: [{ value: { intValue: {} } }] } }] } }),
      "value.arrayValue.values[1].kvlistValue.values[0].value.intValue: expected a 64-bit integer",
    ],
  ])("refuses %s and names the place", (_what, document, message) => {
    expect(faultIn(document)).toContain(message);
  });

  it("takes thirty levels of values and refuses a hundred thousand", () => {
    const nested = (levels: number) =>
      withValue(JSON.parse(`${'{"arrayValue":{"values":['.repeat(levels)}{}${"]}}".repeat(levels)}`));
    expect(decodeOtlpJson(nested(30)).spans).toHaveLength(1);
    expect(faultIn(nested(31))).toContain("expected at most 30 levels");
    expect(faultIn(nested(100_000))).toContain("expected at most 30 levels");
  });

  it("throws bad_message, and nothing else, for any JSON", () => {
    const names = [
      "resourceSpans",
      "scopeSpans",
      "spans",
      "traceId",
      "attributes",
      "key",
      "value",
      "arrayValue",
    ];
    const key = fc.constantFrom(
      ...names,
      "values",
      "intValue",
      "status",
      "kind",
      "resource",
      "scope",
      "links",
    );
    const { json } = fc.letrec<{ json: unknown }>((tie) => ({
      json: fc.oneof(
        { maxDepth: 8 },
        fc.jsonValue({ maxDepth: 1 }),
        fc.array(tie("json"), { maxLength: 2 }),
        fc.dictionary(key, tie("json"), { maxKeys: 4 }),
      ),
    }));
    const property = fc.property(json, (value) => {
      try {
        decodeOtlpJson({ resourceSpans: value });
      } catch (thrown) {
        expect(thrown).toMatchObject({ name: "OrderctlError", code: "bad_message" });
      }
    });
    fc.assert(property, { numRuns: 2000 });
  });
});
