import type { Msg } from "nats";
import type { ErrorCode, ErrorSource } from "../../core/errors.ts";
import { apiErrors } from "../client/nats-error.ts";
import { bodyText } from "../client/raw-message.ts";

/**
 * Why the broker did not store a message. `duplicateIn` names the stream that already holds a message under the same
 * subject; `source` is `message` when no setting of the stream would let it store the message.
 */
export type Refusal = { code: ErrorCode; message: string; source?: ErrorSource; duplicateIn?: string };

type Answer = {
  stream?: string;
  seq?: number;
  error?: { code: number; err_code?: number; description?: string };
};

/** Error numbers of nats-server `server/errors.json` whose status says too little. */
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

/** The headers are larger than any message may have, unlike 10054, a limit that somebody set on the stream. */
const headersTooLarge = 10097;

/** Error codes by status, for all other numbers: requests that are not allowed, and failures that pass. */
const kinds: Record<number, ErrorCode> = {
  400: "usage",
  409: "conflict",
  412: "conflict",
  429: "unavailable",
  503: "unavailable",
};

/**
 * True for an ack from another domain than the one that was asked for. A leaf node with its own stream on the same
 * subject stores the message as well, and answers first. False for a refusal, which names no domain.
 */
export const isOfOtherDomain = (message: Msg, apiPrefix: string): boolean => {
  const domain = /"domain": ?"([^"]*)"/.exec(bodyText(message))?.[1];
  return domain !== undefined && apiPrefix !== `$JS.${domain}.API`;
};

/**
 * Reads the broker's answer to a publish: the sequence, or why the message was not stored. The error number is never
 * searched for in the text: a sequence may contain its digits. Hot path: ~1 µs.
 */
export function parseAck(message: Msg): number | Refusal {
  if (message.data.length === 0)
    return { code: "no_responders", message: "no stream listens on this subject" };
  const text = bodyText(message);
  // Nearly every answer matches as a whole; the JSON parser reads all others.
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
  if (number === headersTooLarge) return { code: "too_large", message, source: "message" };
  if (number !== apiErrors.storeFailed)
    return { code: codes[number] ?? kinds[error?.code ?? 0] ?? "internal", message };
  // One number stands for every failure to store; only the description tells them apart.
  if (message.includes("per subject")) return { code: "internal", message, duplicateIn: stream ?? "" };
  if (/message to+ large/.test(message)) return { code: "too_large", message, source: "message" };
  return { code: message.includes("maximum") ? "stream_full" : "unavailable", message };
}
