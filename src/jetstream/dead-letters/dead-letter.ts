import type { ErrorCode } from "../../core/errors.ts";
import { isCount, parseObject } from "../../core/parse-object.ts";
import { copyHeaders } from "../client/raw-message.ts";

/** Where a message was first stored; `storedAtUs` is the broker's clock, Unix µs. */
export type Origin = { stream: string; subject: string; sequence: number; storedAtUs: number };

/** Why a delivery was given up on and where it came from, stored as JSON in one header of its copy. */
export type DeadLetterMark = {
  /** Identifies the delivery: the same for every attempt, and for no other message. */
  delivery: string;
  reason: ErrorCode;
  detail: string;
  attempts: number;
  origin: Origin;
  consumer: string;
  service: string;
  instance: string;
  /** When the worker gave up, Unix µs by the worker's clock. */
  atUs: number;
  /** Sequence of the dead letter that was redriven and failed again; `null` for a first failure. */
  redriveOf: number | null;
  /** Size of the original payload when the copy leaves it out for lack of room, else `null`. */
  omittedBytes: number | null;
};

export const deadLetterHeader = "Orderctl-Dead-Letter";
export const redriveHeader = "Orderctl-Redrive";

const detailLength = 500;

/** Makes text from outside fit for a log line: one line, no control characters, at most 500 characters. */
export const plainDetail = (text: string): string =>
  text
    .replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, " ")
    .trim()
    .slice(0, detailLength);

/** Header values are UTF-8 lines: JSON escapes the characters that would end one. */
export const encodeMark = (mark: DeadLetterMark): string => JSON.stringify(mark);

/** The mark of a dead letter; undefined when there is none or it is not in orderctl's form. */
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
  const isOurs = texts.every((text) => typeof text === "string") && [...numbers, ...optional].every(isCount);
  return isOurs ? mark : undefined;
}

/** A header name that HTTP allows: with any other name, some clients fail to read all headers of the message. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Headers that the broker or this program would act on. */
const acting = /^(nats-|orderctl-dead-|orderctl-redrive)/i;

const setAside = "Original-";

/**
 * The headers of a block, for a copy of its message. A header that the broker or orderctl would act on (a message id,
 * an expected sequence) is renamed to `Original-…`, repeated ones are joined, and a line that is no header is left out.
 */
export const headersForCopy = (block: string): Record<string, string> =>
  copyHeaders(block, (name) => {
    if (!token.test(name)) return undefined;
    return acting.test(name) ? `${setAside}${name}` : name;
  });
