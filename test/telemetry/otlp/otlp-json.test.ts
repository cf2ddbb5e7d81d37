import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeOtlpJson } from "../../../src/telemetry/otlp/otlp-json.ts";
import { anyBatch } from "./arbitrary-spans.ts";
import { spansInJson } from "./spans-in.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";
const good = { traceId, spanId, startTimeUnixNano: "1760000000000000000" };
const requestOf = (...spans: unknown[]) => ({ resourceSpans: [{ scopeSpans: [{ spans }] }] });
const withValue = (value: unknown) => requestOf({ ...good, attributes: [{ key: "a", value }] });
const readValue = (value: unknown) => spansInJson(withValue(value))[0]?.attributes.a;

describe("decodeOtlpJson", () => {
  it("reads a document written by hand after the specification", () => {
    const path = join(import.meta.dirname, "../../../fixtures/otlp/checkout.json");
    const [checkout, reserve, ...rest] = spansInJson(JSON.parse(readFileSync(path, "utf8")));
    expect(rest).toEqual([]);
    expect(checkout).toEqual({
      traceId,
      spanId,
      parentSpanId: null,
      name: "POST /checkout",
      kind: "SERVER",
      startNs: 1760000000123456789n,
      endNs: 1760000000223456790n,
      status: { code: "ERROR", message: "card refused" },
      attributes: {
        "http.request.method": "POST",
        "http.response.status_code": 201,
        "cart.value": 49.9,
        "cart.gift": false,
        "cart.skus": ["85123A", "22423"],
        "cart.address": { zip: "8005" },
        "cart.digest": "3q2+7w==",
        "cart.id": "9007199254740993",
        "cart.coupon": null,
      },
      resource: { "service.name": "checkout", "process.pid": 4711 },
      events: [{ name: "stock checked", timeNs: 1760000000200000001n, attributes: { attempts: 2 } }],
      links: [
        {
          traceId: "0af7651916cd43dd8448eb211c80319c",
          spanId: "b7ad6b7169203331",
          attributes: { why: "replayed" },
        },
      ],
    });
    expect(reserve).toMatchObject({
      parentSpanId: spanId,
      kind: "CONSUMER",
      resource: { "service.name": "warehouse" },
    });
  });

  it("takes what is missing or null as the default", () => {
    const [span] = spansInJson(
      requestOf({ ...good, name: null, attributes: null, status: null, kind: null }),
    );
    expect(span).toMatchObject({
      name: "",
      kind: "UNSPECIFIED",
      endNs: 0n,
      attributes: {},
      parentSpanId: null,
    });
    expect(span?.status).toEqual({ code: "UNSET", message: "" });
    expect(spansInJson({})).toEqual([]);
    expect(spansInJson({ resourceSpans: [{}] })).toEqual([]);
  });

  it("takes a parent of zeros as none, and a kind of the future as unspecified", () => {
    const [span] = spansInJson(requestOf({ ...good, parentSpanId: "0".repeat(16), kind: 99 }));
    expect(span).toMatchObject({ parentSpanId: null, kind: "UNSPECIFIED" });
  });

  it.each([
    [{ doubleValue: "NaN" }, "NaN"],
    [{ doubleValue: "-Infinity" }, "-Infinity"],
    [{ doubleValue: 2 }, 2],
    [{ intValue: "-9223372036854775808" }, "-9223372036854775808"],
    [{ intValue: "-42" }, -42],
    [{ intValue: 0 }, 0],
    [{ boolValue: true }, true],
    [{ stringValue: "" }, ""],
    [{ arrayValue: {} }, []],
    [{ kvlistValue: {} }, {}],
    [{ bytesValue: "" }, ""],
    [{}, null],
    [null, null],
  ])("reads the value %j", (value, expected) => {
    expect(readValue(value)).toEqual(expected);
  });

  it("keeps an attribute whose name is special to JavaScript", () => {
    const [span] = spansInJson(
      requestOf({ ...good, attributes: [{ key: "__proto__", value: { stringValue: "x" } }] }),
    );
    expect(Object.entries(span?.attributes ?? {})).toEqual([["__proto__", "x"]]);
  });

  it("replaces half a surrogate pair, which a value cut at its length limit may end with", () => {
    expect(readValue({ stringValue: "cut \ud83d" })).toBe("cut \ufffd");
    expect(readValue({ stringValue: "whole \ud83d\ude00" })).toBe("whole 😀");
  });
});

describe("encodeOtlpJson", () => {
  it("writes what decodeOtlpJson reads back, after a way over the wire", () => {
    const property = fc.property(anyBatch, (spans) => {
      expect(spansInJson(JSON.parse(JSON.stringify(encodeOtlpJson(spans))))).toEqual(spans);
    });
    fc.assert(property, { numRuns: 300 });
  });

  it("groups by resource and writes ids as hex, enums as numbers and 64-bit integers as text", () => {
    const spans = spansInJson(
      requestOf({ ...good, kind: 5, startTimeUnixNano: "1760000000123456789", status: { code: 2 } }),
    );
    const [span] = spans;
    if (!span) throw new Error("no span");
    const other = { ...span, resource: { "service.name": "b", n: 7 } };
    expect(encodeOtlpJson([span, other, span])).toMatchObject({
      resourceSpans: [
        {
          scopeSpans: [
            {
              spans: [
                { ...good, startTimeUnixNano: "1760000000123456789", kind: 5, status: { code: 2 } },
                { spanId },
              ],
            },
          ],
        },
        {
          resource: {
            attributes: [
              { key: "service.name", value: { stringValue: "b" } },
              { key: "n", value: { intValue: "7" } },
            ],
          },
          scopeSpans: [{ spans: [{ startTimeUnixNano: "1760000000123456789" }] }],
        },
      ],
    });
  });
});
