import { type ErrorCode, OrderctlError } from "../errors.ts";

/**
 * A message to store. `expectedSequence` makes it a compare-and-set on the last sequence of its subject. `giveUpMs` is for
 * one that is not to be held through an outage for as long as the publisher's others.
 */
export type Publication = {
  subject: string;
  payload: Uint8Array;
  headers?: Readonly<Record<string, string>>;
  expectedSequence?: number;
  giveUpMs?: number;
};

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

/** The error for a publication that the broker did not store; names the subject. */
export const notStored = ({ subject }: Publication, code: ErrorCode, why: string): OrderctlError =>
  new OrderctlError(code, `cannot store ${subject}: ${why}`, { fault: "broker" });

/** A header block as it goes over the wire. Values have no line breaks: they come from headers or are ours. */
function headerBlock(headers: Readonly<Record<string, string>>): string {
  let block = "NATS/1.0\r\n";
  for (const name in headers) block += `${name}: ${headers[name]}\r\n`;
  return `${block}\r\n`;
}
