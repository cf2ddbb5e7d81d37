import { OrderctlError } from "../../errors.ts";
import type { Span } from "../span.ts";
import { buildRequest } from "./build-request.ts";
import { checkSpanIds } from "./span-ids.ts";
import { type WireRequest, wire } from "./wire.ts";
import { fromBigint } from "./wire-integer.ts";
import { spansOf } from "./wire-spans.ts";

/** The spans of an `ExportTraceServiceRequest`. Throws `bad_message`, and nothing else, for what is none. */
export const decodeOtlp = (bytes: Uint8Array): Span[] => spansOf(checkSpanIds(parseOtlp(bytes)));

/** An `ExportTraceServiceRequest` of these spans, grouped by resource. */
export function encodeOtlp(spans: readonly Span[]): Uint8Array {
  const id = (hex: string) => Buffer.from(hex, "hex");
  const int64 = (value: bigint | number) => (typeof value === "number" ? value : fromBigint(value));
  return encodeRequest(buildRequest(spans, { id, int64 }));
}

/** Throws `bad_message` for what is no protobuf, is cut short or is nested deeper than 100 messages. */
export function parseOtlp(bytes: Uint8Array): WireRequest {
  try {
    // A Buffer's ids are Buffers, which know hex.
    return wire.ExportTraceServiceRequest.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OrderctlError("bad_message", `not readable as OTLP protobuf: ${reason}`, { cause });
  }
}

export const encodeRequest = (request: WireRequest): Uint8Array =>
  wire.ExportTraceServiceRequest.encode(request).finish();
