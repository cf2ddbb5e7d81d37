import type { Encoding } from "./read-export.ts";
import { wire } from "./wire.ts";

/** The body of a success; `reason` says why `rejected` spans will never be taken. */
export function encodeResponse(
  encoding: Encoding,
  { rejected, reason }: { rejected: number; reason: string },
): string | Uint8Array {
  const partialSuccess = { rejectedSpans: rejected, errorMessage: reason };
  const response = rejected === 0 ? {} : { partialSuccess };
  if (encoding === "protobuf") return wire.ExportTraceServiceResponse.encode(response).finish();
  return rejected === 0
    ? "{}"
    : JSON.stringify({ partialSuccess: { ...partialSuccess, rejectedSpans: String(rejected) } });
}

/** What a `google.rpc.Status` says (https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto). */
export type RpcStatus = { code: number; message: string };

export const encodeStatus = (encoding: Encoding, status: RpcStatus): string | Uint8Array =>
  encoding === "json" ? JSON.stringify(status) : wire.RpcStatus.encode(status).finish();
