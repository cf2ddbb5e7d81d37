import type { SpanFaults } from "../tracing/span-reading.ts";
import type { Encoding } from "./read-export.ts";
import { wire } from "./wire.ts";

/** The body of a success; if spans were rejected for good, it says how many and why. */
export function encodeResponse(encoding: Encoding, { spans, text }: SpanFaults): string | Uint8Array {
  const partialSuccess = { rejectedSpans: spans, errorMessage: text };
  const response = text === "" ? {} : { partialSuccess };
  if (encoding === "protobuf") return wire.ExportTraceServiceResponse.encode(response).finish();
  return text === ""
    ? "{}"
    : JSON.stringify({ partialSuccess: { ...partialSuccess, rejectedSpans: String(spans) } });
}

/** A `google.rpc.Status` (https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto). */
export type RpcStatus = { code: number; message: string };

export const encodeStatus = (encoding: Encoding, status: RpcStatus): string | Uint8Array =>
  encoding === "json" ? JSON.stringify(status) : wire.RpcStatus.encode(status).finish();
