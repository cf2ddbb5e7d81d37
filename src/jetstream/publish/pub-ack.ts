import type { Msg } from "nats";
import type { ErrorCode, Fault } from "../../core/errors.ts";
import { apiErrors } from "../client/nats-error.ts";
import { bodyText } from "../client/raw-message.ts";

/**
 * Why the broker did not store a message. `duplicateIn` names the stream that already holds its subject; the fault is the
 * message's where no setting of the stream would have it stored.
 */
export type Refusal = { code: ErrorCode; message: string; fault?: Fault; duplicateIn?: string };

type Answer = {
  stream?: string;
  seq?: number;
  error?: { code: number; err_code?: number; description?: string };
};

/** Error numbers of nats-server `server/errors.json` whose kind says too little. */
const codes: Record<number, ErrorCode> = {
  10002: "stream_full",
  10009: "unavailable",
  10023: "stream_full",
  10028: "stream_full",
  10047: "stream_full",
  10054: "too_large",
  10071: "conflict",
  10109: "stream_full",
  10118: "unavailable",
  10158: "unavailable",
  10164: "conflict",
  10194: "unavailable",
};

/** Beyond what any message can have, while a stream's own limit of a message's size (10054) is somebody's decision. */
const headersTooLarge = 10097;

/** The others by their kind: what the request is not allowed to ask for, and what passes. */
const kinds: Record<number, ErrorCode> = {
  400: "usage",
  409: "conflict",
  412: "conflict",
  429: "unavailable",
  503: "unavailable",
};

/**
 * A leaf node that has a stream of its own on the same subject stores the message as well, and answers first: what counts
 * is the answer of the domain that was asked for. A refusal does not say whose it is.
 */
export const isOfOtherDomain = (message: Msg, apiPrefix: string): boolean => {
  const domain = /"domain": ?"([^"]*)"/.exec(bodyText(message))?.[1];
  return domain !== undefined && apiPrefix !== `$JS.${domain}.API`;
};

/**
 * Reads the broker's answer to a publish: the sequence, or why not. The answer is parsed, never searched: a
 * sequence may contain the digits of an error number. Hot path: ~1 µs.
 */
export function parseAck(message: Msg): number | Refusal {
  if (message.data.length === 0)
    return { code: "no_responders", message: "no stream listens on this subject" };
  const text = bodyText(message);
  // What nearly every answer looks like, in full; anything else goes to the parser.
  const plain = /^\{"stream":"[^"\\]*", ?"seq":(\d+)\}$/.exec(text);
  if (plain) return Number(plain[1]);
  let answer: Answer;
  try {
    answer = JSON.parse(text);
  } catch {
    return { code: "internal", message: "the broker's answer is not JSON" };
  }
  if (!answer.error && typeof answer.seq === "number") return answer.seq;
  return refusalOf(answer);
}

function refusalOf({ stream, error }: Answer): Refusal {
  const message = error?.description ?? "the broker's answer has neither sequence nor error";
  const number = error?.err_code ?? 0;
  if (number === headersTooLarge) return { code: "too_large", message, fault: "message" };
  if (number !== apiErrors.storeFailed)
    return { code: codes[number] ?? kinds[error?.code ?? 0] ?? "internal", message };
  // One number stands for every failure to store; only the description tells them apart.
  if (message.includes("per subject")) return { code: "internal", message, duplicateIn: stream ?? "" };
  if (/message to+ large/.test(message)) return { code: "too_large", message, fault: "message" };
  return { code: message.includes("maximum") ? "stream_full" : "unavailable", message };
}
