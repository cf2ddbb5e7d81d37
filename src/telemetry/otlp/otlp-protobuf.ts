import { OrderctlError } from "../../core/errors.ts";
import type { Span } from "../tracing/span.ts";
import type { SpanReading } from "../tracing/span-reading.ts";
import { buildRequest } from "./build-request.ts";
import { checkParts } from "./check-parts.ts";
import { faultAt, ParsedSpans } from "./parsed-spans.ts";
import { type WireRequest, type WireResourceSpans, type WireScopeSpans, wire } from "./wire.ts";
import { fromBigint } from "./wire-integer.ts";
import { readingOf } from "./wire-spans.ts";

/** The spans of an `ExportTraceServiceRequest`. Throws as `parseOtlp`. */
export const decodeOtlp = (bytes: Uint8Array): SpanReading => readingOf(parseOtlp(bytes));

/** An `ExportTraceServiceRequest` with these spans, grouped by resource. */
export function encodeOtlp(spans: readonly Span[]): Uint8Array {
  const id = (hex: string) => Buffer.from(hex, "hex");
  const int64 = (value: bigint | number) => (typeof value === "number" ? value : fromBigint(value));
  return encodeRequest(buildRequest(spans, { id, int64 }));
}

/**
 * As `parseOtlpJson`, for protobuf. A span that is cut short or nested deeper than 100 messages is rejected alone.
 * Throws `bad_message` if the bytes are no export request, and `too_large` if it consists of more messages than any
 * exporter sends.
 */
export function parseOtlp(bytes: Uint8Array): ParsedSpans {
  // Decoding from a Buffer makes the ids Buffers too, which convert themselves to hex.
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  checkParts(body);
  let request: WireRequest;
  try {
    request = wire.ExportTraceServiceRequest.decode(body);
  } catch (cause) {
    const parsed = parseInPieces(body);
    if (parsed && !parsed.isGarbage) return parsed;
    const reason = `not readable as OTLP protobuf: ${reasonOf(cause)}`;
    throw new OrderctlError("bad_message", reason, { cause });
  }
  const parsed = takeAll(request);
  const [reason] = parsed.faults.reasons;
  if (parsed.isHopeless && reason !== undefined) throw new OrderctlError("bad_message", reason);
  return parsed;
}

export const encodeRequest = (request: WireRequest): Uint8Array =>
  wire.ExportTraceServiceRequest.encode(request).finish();

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

function takeAll({ resourceSpans }: WireRequest): ParsedSpans {
  const parsed = new ParsedSpans();
  resourceSpans?.forEach((resource, r) => {
    resource.scopeSpans?.forEach((scope, s) => {
      scope.spans?.forEach((span, n) => {
        if (parsed.isHopeless) return;
        try {
          parsed.take({ resource, scope, span });
        } catch (thrown) {
          parsed.refuse(faultAt(`resourceSpans[${r}].scopeSpans[${s}].spans[${n}]`, thrown));
        }
      });
    });
  });
  return parsed;
}

/** Numbers of the fields that hold the repeated inner messages of a request, of `ResourceSpans` and of `ScopeSpans`. */
const fields = { resourceSpans: 1, scopeSpans: 2, spans: 2 } as const;

/**
 * Decodes each inner message separately, for a body that cannot be decoded as a whole; undefined if not even the
 * outermost message can be divided into fields.
 */
function parseInPieces(body: Buffer): ParsedSpans | undefined {
  const parsed = new ParsedSpans();
  const request = splitMessage(body, fields.resourceSpans);
  request?.inner.forEach((bytes, index) => {
    if (!parsed.isHopeless) takeResource(bytes, `resourceSpans[${index}]`, parsed);
  });
  return request && parsed;
}

function takeResource(bytes: Buffer, place: string, parsed: ParsedSpans): void {
  const pieces = splitMessage(bytes, fields.scopeSpans);
  const resource = readOuter<WireResourceSpans>(wire.ResourceSpans, pieces, {
    place,
    parsed,
    spansIn: spansInResource,
  });
  pieces?.inner.forEach((each, index) => {
    if (resource && !parsed.isHopeless)
      takeScope(each, { resource, place: `${place}.scopeSpans[${index}]` }, parsed);
  });
}

function takeScope(
  bytes: Buffer,
  { resource, place }: { resource: WireResourceSpans; place: string },
  parsed: ParsedSpans,
): void {
  const pieces = splitMessage(bytes, fields.spans);
  const scope = readOuter<WireScopeSpans>(wire.ScopeSpans, pieces, {
    place,
    parsed,
    spansIn: ({ inner }) => inner.length,
  });
  pieces?.inner.forEach((each, index) => {
    if (!scope || parsed.isHopeless) return;
    try {
      parsed.take({ resource, scope, span: wire.Span.decode(each) });
    } catch (thrown) {
      parsed.refuse(`${place}.spans[${index}].${reasonOf(thrown)}`);
    }
  });
}

type Outer = { place: string; parsed: ParsedSpans; spansIn: (pieces: Pieces) => number };

/**
 * The fields of a message without its inner messages; undefined, with the fault recorded, if they cannot be decoded.
 */
function readOuter<T>(
  codec: { decode(bytes: Uint8Array): T },
  pieces: Pieces | undefined,
  { place, parsed, spansIn }: Outer,
): T | undefined {
  if (!pieces) {
    parsed.refuse(`${place}: not readable as protobuf`, 0);
    return undefined;
  }
  try {
    return codec.decode(pieces.rest);
  } catch (thrown) {
    parsed.refuse(`${place}: ${reasonOf(thrown)}`, spansIn(pieces));
    return undefined;
  }
}

const spansInResource = ({ inner }: Pieces): number =>
  inner.reduce((sum, scope) => sum + (splitMessage(scope, fields.spans)?.inner.length ?? 0), 0);

/** The inner messages of one field, each still encoded, and the bytes of all other fields. */
export type Pieces = { inner: Buffer[]; rest: Buffer };

/**
 * Divides a protobuf message (https://protobuf.dev/programming-guides/encoding/) into fields without decoding them;
 * undefined for bytes that are no message or contain groups, a deprecated wire type.
 */
export function splitMessage(bytes: Buffer, field: number): Pieces | undefined {
  const inner: Buffer[] = [];
  const others: Buffer[] = [];
  // Adjacent other fields are kept as one piece: a message may have millions of fields of two bytes each.
  let othersFrom = 0;
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at);
    const end = tag && endOfField(bytes, tag);
    if (!tag || !end || end.at > bytes.length) return undefined;
    if (tag.value === field * 8 + lengthDelimited) {
      inner.push(bytes.subarray(end.from, end.at));
      if (at > othersFrom) others.push(bytes.subarray(othersFrom, at));
      othersFrom = end.at;
    }
    at = end.at;
  }
  others.push(bytes.subarray(othersFrom));
  return { inner, rest: Buffer.concat(others) };
}

const lengthDelimited = 2;
const fixedBytes: Readonly<Record<number, number>> = { 1: 8, 5: 4 };
const mostVarintBytes = 10;

type Varint = { value: number; end: number };

/** The value is exact up to 2^53, which is more than any tag or length. */
function readVarint(bytes: Buffer, at: number): Varint | undefined {
  let value = 0;
  for (let n = 0; n < mostVarintBytes; n++) {
    const byte = bytes[at + n];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * n);
    if (byte < 0x80) return { value, end: at + n + 1 };
  }
  return undefined;
}

/**
 * The offset where a field ends (`at`), and where its content begins if it is length-delimited or of fixed size
 * (`from`).
 */
function endOfField(bytes: Buffer, { value: tag, end }: Varint): { from: number; at: number } | undefined {
  const wireType = tag % 8;
  const fixed = fixedBytes[wireType];
  if (fixed !== undefined) return { from: end, at: end + fixed };
  if (wireType !== 0 && wireType !== lengthDelimited) return undefined;
  const varint = readVarint(bytes, end);
  if (!varint) return undefined;
  return { from: varint.end, at: varint.end + (wireType === lengthDelimited ? varint.value : 0) };
}
