import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { decodeOtlpJson } from "../../../src/telemetry/otlp/otlp-json.ts";
import { decodeOtlp, encodeOtlp } from "../../../src/telemetry/otlp/otlp-protobuf.ts";
import { type Encoding, readExport } from "../../../src/telemetry/otlp/read-export.ts";
import { wire } from "../../../src/telemetry/otlp/wire.ts";

const fixture = readFileSync(join(import.meta.dirname, "../../../fixtures/otlp/checkout.json"));
const mebibyte = 2 ** 20;
const id = (n: number, digits: number) => n.toString(16).padStart(digits, "0");
const spanOf = (trace: number, span: number, name = "work") => ({
  traceId: id(trace, 32),
  spanId: id(span, 16),
  name,
});
const bodyOf = (...spans: object[]) =>
  Buffer.from(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }));
const idsOf = (payload: Uint8Array) => decodeOtlp(payload).map(({ spanId }) => spanId);

describe("readExport", () => {
  it("makes a batch of each trace, with the spans in their order", () => {
    const body = bodyOf(spanOf(1, 11), spanOf(2, 21), spanOf(1, 12), spanOf(1, 13));
    const { batches, rejected, reason } = readExport(body, "json", mebibyte);
    expect({ rejected, reason }).toEqual({ rejected: 0, reason: "" });
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
    const protobuf = Buffer.from(encodeOtlp(decodeOtlpJson(JSON.parse(fixture.toString()))));
    const spans = (body: Buffer, encoding: Encoding) =>
      readExport(body, encoding, mebibyte).batches.flatMap(({ payload }) => decodeOtlp(payload));
    expect(spans(protobuf, "protobuf")).toEqual(spans(fixture, "json"));
  });

  it("rejects spans with bad ids, not those beside them", () => {
    const body = bodyOf(spanOf(1, 11), { ...spanOf(1, 12), spanId: "" }, spanOf(0, 13), spanOf(1, 14));
    const { batches, rejected, reason } = readExport(body, "json", mebibyte);
    expect(rejected).toBe(2);
    expect(reason).toBe("resourceSpans[0].scopeSpans[0].spans[1].spanId: expected 16 hex digits");
    expect(batches.flatMap(({ payload }) => idsOf(payload))).toEqual([id(11, 16), id(14, 16)]);
  });

  it("splits a trace that is larger than a message may be, and rejects a span that is", () => {
    const large = "x".repeat(400);
    const spans = Array.from({ length: 20 }, (_, n) => spanOf(1, n + 1, large));
    const body = bodyOf(...spans, spanOf(1, 99, "x".repeat(2000)));
    const { batches, rejected, reason } = readExport(body, "json", 1000);
    expect(Math.max(...batches.map(({ payload }) => payload.length))).toBeLessThanOrEqual(1000);
    expect(batches.flatMap(({ payload }) => idsOf(payload))).toEqual(spans.map(({ spanId }) => spanId));
    expect(rejected).toBe(1);
    expect(reason).toBe("spans larger than the 1000 bytes of a message: 1");
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
