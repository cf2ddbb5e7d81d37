import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { encodeOtlp } from "../../../src/telemetry/otlp/otlp-protobuf.ts";
import { type Encoding, readExport } from "../../../src/telemetry/otlp/read-export.ts";
import { wire } from "../../../src/telemetry/otlp/wire.ts";
import { spansIn, spansInJson } from "./spans-in.ts";

const fixture = readFileSync(join(import.meta.dirname, "../../../fixtures/otlp/checkout.json"));
const mebibyte = 2 ** 20;
const id = (n: number, digits: number) => n.toString(16).padStart(digits, "0");
const spanOf = (trace: number, span: number, name = "work") => ({
  traceId: id(trace, 32),
  spanId: id(span, 16),
  name,
  startTimeUnixNano: "1760000000000000000",
});
const bodyOf = (...spans: object[]) =>
  Buffer.from(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }));
const idsOf = (payload: Uint8Array) => spansIn(payload).map(({ spanId }) => spanId);

const at = (n: number) => `resourceSpans[0].scopeSpans[0].spans[${n}]`;

/** What can be wrong with one span, and what is said of it. */
const oddSpans: [string, object, string][] = [
  ["a number for a span", 7 as unknown as object, ": expected an object"],
  ["an id that is no hex", { ...spanOf(1, 1), traceId: "x".repeat(32) }, ".traceId: expected 32 hex digits"],
  ["no id", { ...spanOf(1, 1), spanId: undefined }, ".spanId: expected 16 hex digits"],
  ["a name that is no text", { ...spanOf(1, 1), name: 5 }, ".name: expected a string"],
  ["a kind that nobody knows", { ...spanOf(1, 1), kind: "SPAN_KIND_BAKER" }, ".kind: expected a number, or"],
  ["a kind that is no number", { ...spanOf(1, 1), kind: {} }, ".kind: expected a number, or"],
  [
    "no time",
    { ...spanOf(1, 1), startTimeUnixNano: undefined },
    ".startTimeUnixNano: expected a time from 2000",
  ],
  [
    "a time of zero",
    { ...spanOf(1, 1), startTimeUnixNano: "0" },
    ".startTimeUnixNano: expected a time from 2000",
  ],
  [
    "a time in the year 2262",
    { ...spanOf(1, 1), startTimeUnixNano: "9223372036854775807", endTimeUnixNano: "18446744073709551615" },
    ".startTimeUnixNano: expected a time from 2000 on and at most a year ahead",
  ],
  [
    "an end in the year 2554",
    { ...spanOf(1, 1), endTimeUnixNano: "18446744073709551615" },
    ".endTimeUnixNano: expected a time at most a year ahead, or 0",
  ],
  [
    "an attribute of absurd depth",
    { ...spanOf(1, 1), attributes: [{ key: "n", value: nested(500) }] },
    "30 levels",
  ],
  ["a link without an id", { ...spanOf(1, 1), links: [7] }, ".links[0]: expected an object"],
];

function nested(levels: number): object {
  return JSON.parse(`${'{"arrayValue":{"values":['.repeat(levels)}{}${"]}}".repeat(levels)}`);
}

describe("readExport", () => {
  // All of these used to cost the whole request, or were stored and made the picture 292 years wide.
  it.each(oddSpans)("rejects %s, names its place, and takes those beside it", (_what, odd, reason) => {
    const { batches, faults } = readExport(bodyOf(spanOf(1, 11), odd, spanOf(1, 12)), "json", mebibyte);
    expect(batches.flatMap(({ payload }) => idsOf(payload))).toEqual([id(11, 16), id(12, 16)]);
    expect(faults.spans).toBe(1);
    expect(faults.text).toContain(at(1));
    expect(faults.text).toContain(reason);
  });

  it("takes a span that is only strange: it ends before it begins, or never, or has no name, or an unknown kind", () => {
    const strange = [
      { ...spanOf(1, 1), endTimeUnixNano: "1759999999000000000" },
      { ...spanOf(1, 2), endTimeUnixNano: "0" },
      { ...spanOf(1, 3), name: undefined },
      { ...spanOf(1, 4), kind: 77, status: { code: 9 } },
      { ...spanOf(1, 5), name: "\u001b[2J\u202e\u0000" },
    ];
    const { batches, faults } = readExport(bodyOf(...strange), "json", mebibyte);
    expect([faults.text, batches.map(({ spans }) => spans)]).toEqual(["", [5]]);
  });

  it("loses with a resource or a scope that cannot be read what came with it, and nothing else", () => {
    const spans = [spanOf(1, 21), spanOf(1, 22)];
    const body = JSON.stringify({
      resourceSpans: [
        { resource: { attributes: 5 }, scopeSpans: [{ spans }] },
        { scopeSpans: [{ scope: 5, spans }, { spans: [spanOf(1, 11)] }] },
        7,
      ],
    });
    const { batches, faults } = readExport(Buffer.from(body), "json", mebibyte);
    expect(batches.flatMap(({ payload }) => idsOf(payload))).toEqual([id(11, 16)]);
    expect(faults.spans).toBe(4);
    expect(faults.text).toContain("resourceSpans[0].resource.attributes: expected an array");
    expect(faults.text).toContain("resourceSpans[1].scopeSpans[0].scope: expected an object");
  });

  it("names three reasons and says how many more there are", () => {
    const body = bodyOf(...Array.from({ length: 9 }, () => ({ ...spanOf(1, 1), kind: -1 })), spanOf(1, 2));
    const { faults } = readExport(body, "json", mebibyte);
    expect(faults.text).toMatch(/spans\[0\].*; .*spans\[1\].*; .*spans\[2\].*; and 6 more$/);
  });

  it("makes a batch of each trace, with the spans in their order", () => {
    const body = bodyOf(spanOf(1, 11), spanOf(2, 21), spanOf(1, 12), spanOf(1, 13));
    const { batches, faults } = readExport(body, "json", mebibyte);
    expect([faults.spans, faults.text]).toEqual([0, ""]);
    expect(batches.map(({ traceId, spans, payload }) => [traceId, spans, idsOf(payload)])).toEqual([
      [id(1, 32), 3, [id(11, 16), id(12, 16), id(13, 16)]],
      [id(2, 32), 1, [id(21, 16)]],
    ]);
  });

  it("stores what it was sent, also what a span of ours has no place for", () => {
    const [batch] = readExport(fixture, "json", mebibyte).batches;
    const { resourceSpans } = wire.ExportTraceServiceRequest.decode(batch?.payload ?? new Uint8Array());
    const scopeSpans = resourceSpans?.[0]?.scopeSpans?.[0];
    expect(scopeSpans?.schemaUrl).toBe("https://opentelemetry.io/schemas/1.37.0");
    expect(scopeSpans?.scope).toMatchObject({ name: "shop.web", version: "2.4.0" });
    expect(scopeSpans?.spans?.[0]).toMatchObject({ traceState: "shop=a1", flags: 257 });
    const values = new Map(scopeSpans?.spans?.[0]?.attributes?.map(({ key, value }) => [key, value]));
    expect(values.get("cart.digest")?.bytesValue).toEqual(Buffer.from("deadbeef", "hex"));
    expect(String(values.get("cart.id")?.intValue)).toBe("9007199254740993");
    expect(resourceSpans).toHaveLength(2);
  });

  it("says the same of a request in both encodings", () => {
    const protobuf = Buffer.from(encodeOtlp(spansInJson(JSON.parse(fixture.toString()))));
    const spans = (body: Buffer, encoding: Encoding) =>
      readExport(body, encoding, mebibyte).batches.flatMap(({ payload }) => spansIn(payload));
    expect(spans(protobuf, "protobuf")).toEqual(spans(fixture, "json"));
  });

  it("rejects spans with bad ids, not those beside them", () => {
    const body = bodyOf(spanOf(1, 11), { ...spanOf(1, 12), spanId: "" }, spanOf(0, 13), spanOf(1, 14));
    const { batches, faults } = readExport(body, "json", mebibyte);
    expect(faults.spans).toBe(2);
    expect(faults.text).toBe(`${at(1)}.spanId: expected 16 hex digits; ${at(2)}.traceId: all zero`);
    expect(batches.flatMap(({ payload }) => idsOf(payload))).toEqual([id(11, 16), id(14, 16)]);
  });

  it("splits a trace that is larger than a message may be, and rejects a span that is", () => {
    const large = "x".repeat(400);
    const spans = Array.from({ length: 20 }, (_, n) => spanOf(1, n + 1, large));
    const body = bodyOf(...spans, spanOf(1, 99, "x".repeat(2000)));
    const { batches, faults } = readExport(body, "json", 1000);
    expect(Math.max(...batches.map(({ payload }) => payload.length))).toBeLessThanOrEqual(1000);
    expect(batches.flatMap(({ payload }) => idsOf(payload))).toEqual(spans.map(({ spanId }) => spanId));
    expect(faults.spans).toBe(1);
    expect(faults.text).toBe("spans larger than the 1000 bytes of a message: 1");
  });

  it.each<[Encoding, string]>([
    ["json", "{"],
    ["json", ""],
    ["json", "null"],
    ["protobuf", "\u0001"],
  ])("refuses as %s: %j", (encoding, body) => {
    expect(() => readExport(Buffer.from(body), encoding, mebibyte)).toThrowError(
      expect.objectContaining({ code: "bad_message" }),
    );
  });
});
