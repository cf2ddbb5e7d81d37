import { type ErrorCode, type ErrorSource, OrderctlError } from "../../core/errors.ts";
import { isHeader } from "../client/wire-text.ts";

/**
 * A message to store. `expectedSequence` makes it a compare-and-set on the last sequence of its subject. `giveUpMs`
 * replaces the publisher's own for this message: how long it is held through an outage.
 */
export type Publication = {
  subject: string;
  payload: Uint8Array;
  headers?: Readonly<Record<string, string>>;
  expectedSequence?: number;
  giveUpMs?: number;
  /** Asked each time before it is sent: whether it still may be. */
  fence?: Fence;
};

/** `wait` while that is not known; it is asked again soon. A promise is for what has to be looked up first. */
export type Fence = () => "open" | "wait" | Promise<FenceAnswer>;

/** `closed`: the message is not stored. Or it is stored already: where. */
export type FenceAnswer = "open" | "closed" | Stored;

/**
 * Where a message is stored. `duplicate` says that the subject already held a message, which stays; `existing`
 * is then that message's payload.
 */
export type Stored = { sequence: number; duplicate: boolean; existing?: Uint8Array };

const expectedSequenceHeader = "Nats-Expected-Last-Subject-Sequence";

/** The header block of a publication; empty where it has no headers. */
export function headersOf({ headers, expectedSequence }: Publication): string {
  if (expectedSequence === undefined) return headers ? headerBlock(headers) : "";
  return headerBlock({ ...headers, [expectedSequenceHeader]: String(expectedSequence) });
}

/** Why a message is not stored. `source` is `broker` by default. */
export type Unstored = { code: ErrorCode; why: string; source?: ErrorSource | undefined };

/** The error for a publication that the broker did not store; names the subject. */
export const notStored = (
  { subject }: Publication,
  { code, why, source = "broker" }: Unstored,
): OrderctlError => new OrderctlError(code, `cannot store ${subject}: ${why}`, { source });

/** A header block in the form of the client protocol. Throws `bad_message` for a header that would end its own line. */
function headerBlock(headers: Readonly<Record<string, string>>): string {
  let block = "NATS/1.0\r\n";
  for (const name in headers) {
    const value = headers[name] ?? "";
    if (!isHeader(name, value)) throw noHeader(name, value);
    block += `${name}: ${value}\r\n`;
  }
  return `${block}\r\n`;
}

const noHeader = (name: string, value: string): OrderctlError =>
  new OrderctlError("bad_message", `${JSON.stringify(`${name}: ${value}`)} is no header`, {
    source: "message",
  });
