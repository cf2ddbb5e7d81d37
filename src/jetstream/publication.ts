import { type MsgHdrs, NatsError, ErrorCode as NatsErrorCode } from "nats";
import { type ErrorCode, OrderctlError } from "../errors.ts";
import { encodeHeaders } from "./header-block.ts";

/** A message to store. `expectedSequence` makes it a compare-and-set on the last sequence of its subject. */
export type Publication = {
  subject: string;
  payload: Uint8Array;
  headers?: Readonly<Record<string, string>>;
  expectedSequence?: number;
};

/**
 * Where a message is stored. `duplicate` says that the subject already held a message, which stays; `existing`
 * is then that message's payload.
 */
export type Stored = { sequence: number; duplicate: boolean; existing?: Uint8Array };

const expectedSequenceHeader = "Nats-Expected-Last-Subject-Sequence";

/** The headers of a publication in the client's form, or undefined where it has none. */
export function headersOf({ headers, expectedSequence }: Publication): MsgHdrs | undefined {
  if (expectedSequence === undefined) return headers && encodeHeaders(headers);
  return encodeHeaders({ ...headers, [expectedSequenceHeader]: String(expectedSequence) });
}

/** The error for a publication that the broker did not store; names the subject. */
export const notStored = ({ subject }: Publication, code: ErrorCode, why: string): OrderctlError =>
  new OrderctlError(code, `cannot store ${subject}: ${why}`);

/** The error for a publication that the client refused to send. */
export function notSent({ subject, payload }: Publication, cause: unknown): OrderctlError {
  const tooLarge = cause instanceof NatsError && cause.code === NatsErrorCode.MaxPayloadExceeded;
  const why = tooLarge ? `${payload.length} bytes are more than the broker takes` : String(cause);
  return new OrderctlError(tooLarge ? "too_large" : "unavailable", `cannot store ${subject}: ${why}`, {
    cause,
  });
}
