import type { ErrorCode } from "../../core/errors.ts";
import { copyHeaders } from "../client/raw-message.ts";

/** Where a message was first stored; `storedAtUs` is the broker's clock, Unix µs. */
export type Origin = { stream: string; subject: string; sequence: number; storedAtUs: number };

/** Why a delivery was given up on and where it came from. One header of its copy, as JSON. */
export type DeadLetterMark = {
  /** Which delivery it was: the same for every attempt, and for no other message. */
  delivery: string;
  reason: ErrorCode;
  detail: string;
  attempts: number;
  origin: Origin;
  consumer: string;
  service: string;
  instance: string;
  /** When it was given up on, Unix µs by the worker's clock. */
  atUs: number;
  /** Sequence of the dead letter that was given to the consumer once more, and failed again; `null` for the first. */
  redriveOf: number | null;
  /** Size of the original payload where the copy had no room for it, else `null`. */
  omittedBytes: number | null;
};

export const deadLetterHeader = "Orderctl-Dead-Letter";
export const redriveHeader = "Orderctl-Redrive";

const detailLength = 500;

/** Text of a stranger that may stand in a log line: one line, no control characters, at most 500 characters. */
export const plainDetail = (text: string): string =>
  text
    .replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, " ")
    .trim()
    .slice(0, detailLength);

/** Header values go over the wire as UTF-8 lines: JSON escapes what could end one. */
export const encodeMark = (mark: DeadLetterMark): string => JSON.stringify(mark);

/** The mark of a dead letter; undefined where there is none or it is not ours. */
export function decodeMark(header: string | undefined): DeadLetterMark | undefined {
  const mark = parseObject<DeadLetterMark>(header);
  if (!mark || typeof mark.origin !== "object" || mark.origin === null) return undefined;
  const { delivery, reason, detail, consumer, service, instance, origin } = mark;
  const texts: unknown[] = [
    delivery,
    reason,
    detail,
    consumer,
    service,
    instance,
    origin.stream,
    origin.subject,
  ];
  const numbers = [mark.attempts, mark.atUs, origin.sequence, origin.storedAtUs];
  const optional = [mark.redriveOf, mark.omittedBytes].filter((value) => value !== null);
  const isOurs =
    texts.every((text) => typeof text === "string") &&
    [...numbers, ...optional].every((number) => Number.isSafeInteger(number));
  return isOurs ? mark : undefined;
}

/** What a header holds as a JSON object; undefined where it holds anything else. */
export function parseObject<T extends object>(header: string | undefined): T | undefined {
  if (header === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(header);
    return typeof value === "object" && value !== null ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}

/** A header name as HTTP has it: others would end the reading of all headers in some clients. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Headers that the broker or this program would act on. */
const acting = /^(nats-|orderctl-dead-|orderctl-redrive)/i;

const setAside = "Original-";

/**
 * The headers of a block for a copy of its message. Those that would make the broker act on the copy as well (a message
 * id, an expected sequence) are kept under another name, repeated ones are joined, and what is no header is left out.
 */
export const headersForCopy = (block: string): Record<string, string> =>
  copyHeaders(block, (name) => {
    if (!token.test(name)) return undefined;
    return acting.test(name) ? `${setAside}${name}` : name;
  });
