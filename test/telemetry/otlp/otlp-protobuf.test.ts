import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeOtlp, encodeOtlp } from "../../../src/telemetry/otlp/otlp-protobuf.ts";
import { anyBatch } from "./arbitrary-spans.ts";
import { spansIn } from "./spans-in.ts";

/** A field of wire type 2. */
const field = (number: number, ...parts: Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([varint(number * 8 + 2), varint(body.length), body]);
};

function varint(value: number): Buffer {
  return value < 128
    ? Buffer.from([value])
    : Buffer.concat([Buffer.from([(value % 128) + 128]), varint(Math.floor(value / 128))]);
}

const traceId = Buffer.from("4bf92f3577b34da6a3ce929d0e0e4736", "hex");
const spanId = Buffer.from("00f067aa0ba902b7", "hex");
const requestOf = (...fields: Uint8Array[]) => field(1, field(2, field(2, ...fields)));
const start = Buffer.alloc(9, 7 * 8 + 1);
start.writeBigUInt64LE(1760000000000000000n, 1);
const good = [field(1, traceId), field(2, spanId), start];

/** A value in as many arrays. */
function nested(levels: number): Buffer {
  let value: Buffer = field(1, Buffer.from("x"));
  for (let level = 0; level < levels; level++) value = field(5, field(1, value));
  return value;
}

describe("decodeOtlp", () => {
  it("reads back what encodeOtlp wrote, to the last nanosecond", () => {
    const property = fc.property(anyBatch, (spans) => {
      expect(spansIn(encodeOtlp(spans))).toEqual(spans);
    });
    fc.assert(property, { numRuns: 300 });
  });

  it("reads the field numbers of OTLP, and skips fields it does not know", () => {
    const fixed64 = (number: number, value: bigint) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(value);
      return Buffer.concat([varint(number * 8 + 1), bytes]);
    };
    const flags = Buffer.concat([varint(16 * 8 + 5), Buffer.from([1, 1, 0, 0])]);
    const integer = field(9, field(1, Buffer.from("n")), field(2, Buffer.from([0x18, 0x2a])));
    const span = spansIn(
      requestOf(
        field(1, traceId),
        field(2, spanId),
        field(4, Buffer.from("b7ad6b7169203331", "hex")),
        field(5, Buffer.from("POST /checkout")),
        Buffer.from([6 * 8, 2]),
        fixed64(7, 1760000000123456789n),
        fixed64(8, 1760000000123456790n),
        integer,
        field(11, fixed64(1, 5n), field(2, Buffer.from("tick"))),
        field(13, field(1, traceId), field(2, spanId)),
        field(15, field(2, Buffer.from("no")), Buffer.from([3 * 8, 2])),
        flags,
        field(99, Buffer.from("later")),
      ),
    )[0];
    expect(span).toEqual({
      traceId: traceId.toString("hex"),
      spanId: spanId.toString("hex"),
      parentSpanId: "b7ad6b7169203331",
      name: "POST /checkout",
      kind: "SERVER",
      startNs: 1760000000123456789n,
      endNs: 1760000000123456790n,
      status: { code: "ERROR", message: "no" },
      attributes: { n: 42 },
      resource: {},
      events: [{ name: "tick", timeNs: 5n, attributes: {} }],
      links: [{ traceId: traceId.toString("hex"), spanId: spanId.toString("hex"), attributes: {} }],
    });
  });

  it.each<[string, Buffer[], string]>([
    ["a bad id", [field(1, traceId.subarray(1)), field(2, spanId)], "traceId: expected 32 hex digits"],
    ["an id of zeros", [field(1, Buffer.alloc(16)), field(2, spanId)], "traceId: all zero"],
    ["no time", [field(1, traceId), field(2, spanId)], "startTimeUnixNano: expected a time from 2000 on"],
    ["values of absurd depth", [...good, field(9, field(2, nested(5000)))], "max depth exceeded"],
    ["a field that is cut short", [...good, Buffer.from([0x4a, 0x7f])], "index out of range"],
    ["a field of an impossible type", [...good, Buffer.from([0x4f])], "invalid wire type 7"],
  ])("leaves out a span with %s, names its place, and takes those beside it", (_what, odd, reason) => {
    const other = field(1, field(2, field(2, ...good), field(2, ...odd), field(2, ...good)));
    const { spans, unreadable } = decodeOtlp(Buffer.concat([requestOf(...good), other]));
    expect(spans).toHaveLength(3);
    expect(unreadable).toEqual({
      spans: 1,
      reasons: [expect.stringContaining(`resourceSpans[1].scopeSpans[0].spans[1].${reason}`)],
    });
  });

  it("loses with a resource or a scope that cannot be read what came with it, and nothing else", () => {
    const torn = Buffer.from([0x0a, 0x7f]);
    const spans = Buffer.concat([field(2, ...good), field(2, ...good)]);
    const request = Buffer.concat([
      field(1, field(1, torn), field(2, spans)),
      field(1, field(2, field(1, torn), spans), field(2, field(2, ...good))),
    ]);
    const { spans: taken, unreadable } = decodeOtlp(request);
    expect(taken).toHaveLength(1);
    expect(unreadable.spans).toBe(4);
    expect(unreadable.reasons.map((reason) => reason.split(":")[0])).toEqual([
      "resourceSpans[0]",
      "resourceSpans[1].scopeSpans[0]",
    ]);
  });

  it("takes thirty levels of values", () => {
    expect(spansIn(requestOf(...good, field(9, field(2, nested(30)))))).toHaveLength(1);
  });

  it("throws bad_message, and nothing else, for bytes cut off or changed anywhere", () => {
    const reads = (bytes: Uint8Array) => {
      try {
        decodeOtlp(bytes);
      } catch (thrown) {
        expect(thrown).toMatchObject({ name: "OrderctlError", code: "bad_message" });
      }
    };
    const change = fc.record({ at: fc.nat(), to: fc.nat(255) });
    const property = fc.property(
      anyBatch,
      fc.nat(),
      fc.array(change, { maxLength: 3 }),
      (spans, cut, changes) => {
        const bytes = Uint8Array.from(encodeOtlp(spans));
        reads(bytes.subarray(0, cut % (bytes.length + 1)));
        for (const { at, to } of changes) bytes[at % (bytes.length + 1)] = to;
        reads(bytes);
      },
    );
    fc.assert(property, { numRuns: 500 });
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), reads), { numRuns: 2000 });
  });
});
