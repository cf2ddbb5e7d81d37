import { type ErrorCode, OrderctlError } from "../core/errors.ts";
import { encodeStatus } from "../telemetry/otlp/export-answer.ts";
import type { Encoding } from "../telemetry/otlp/read-export.ts";

export type HttpAnswer = { status: number; headers: Record<string, string>; body: string | Uint8Array };

const contentTypes = {
  json: "application/json",
  protobuf: "application/x-protobuf",
} as const satisfies Record<Encoding, string>;

/** The encoding of a content type; undefined if it is neither JSON nor protobuf. */
export function encodingOf(contentType: string | undefined): Encoding | undefined {
  const type = contentType?.split(";", 1)[0]?.trim().toLowerCase();
  if (type === contentTypes.json) return "json";
  return type === contentTypes.protobuf ? "protobuf" : undefined;
}

export const success = (encoding: Encoding, body: string | Uint8Array): HttpAnswer => ({
  status: 200,
  headers: { "content-type": contentTypes[encoding] },
  body,
});

/** The `google.rpc.Code` for each HTTP status that is used here. */
const rpcCodes: Record<number, number> = { 400: 3, 404: 5, 405: 12, 413: 8, 415: 3, 503: 14 };
const internal = 13;

/** An error in the encoding of the request; its message is what exporters show to their operators. */
export const refusal = (encoding: Encoding, status: number, message: string): HttpAnswer => ({
  status,
  headers: {
    "content-type": contentTypes[encoding],
    ...(status === 503 ? { "retry-after": "1" } : {}),
  },
  body: encodeStatus(encoding, { code: rpcCodes[status] ?? internal, message }),
});

const statuses: Partial<Record<ErrorCode, number>> = { bad_message: 400, too_large: 413, internal: 500 };

/** The answer for an error. All errors that may pass become 503, so that the sender sends the spans again. */
export function refusalOf(encoding: Encoding, thrown: unknown): HttpAnswer {
  const error = OrderctlError.from(thrown);
  return refusal(encoding, statuses[error.code] ?? 503, error.message);
}
