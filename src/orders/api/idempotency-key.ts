import type { IncomingHttpHeaders } from "node:http";
import { v5 } from "uuid";
import { isOrderId } from "../subjects.ts";
import type { Problem } from "./problem.ts";

/** A quoted text as in RFC 8941, in which only quotes and backslashes are escaped. */
const quotedPattern = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"$/;
const barePattern = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]{1,255}$/;
/** UUIDv5 namespace of the ids made from keys: an arbitrary value that must not change. */
const namespace = "6f0b2f0e-7d0c-5a53-9a39-2f3f4f6e1c7d";
const remembered = 10_000;

/**
 * The `Idempotency-Key` of a request (draft-ietf-httpapi-idempotency-key-header), with or without its quotes; undefined
 * if there is none, a problem if it is invalid.
 */
export function idempotencyKeyOf(headers: IncomingHttpHeaders): string | Problem | undefined {
  const value = headers["idempotency-key"];
  if (value === undefined) return undefined;
  const text = String(value).trim();
  const quoted = quotedPattern.exec(text)?.[1]?.replace(/\\(.)/g, "$1");
  const key = quoted ?? barePattern.exec(text)?.[0];
  if (key !== undefined) return key;
  const detail =
    "an Idempotency-Key is 1 to 255 printable ASCII characters, in quotes where spaces, commas or ; are among them";
  return { status: 400, code: "invalid_idempotency_key", detail };
}

/** The id of an order whose body names none: the key itself if it is a valid order id, else a UUID derived from it. */
export const orderIdOf = (key: string): string => (isOrderId(key) ? key : v5(key, namespace));

/**
 * The order id that each of the last 10,000 keys was used for in this process. An order that names no id gets one
 * derived from its key, so every process finds a repeated key in the log; only for orders that name their ids does the
 * detection of a second order under a key depend on this memory.
 */
export class KeyMemory {
  readonly #orderIds = new Map<string, string>();

  /** The order id that the key was used for first: `orderId`, unless there was another before. */
  claim(key: string, orderId: string): string {
    const claimed = this.#orderIds.get(key);
    if (claimed !== undefined) return claimed;
    this.#orderIds.set(key, orderId);
    const [oldest] = this.#orderIds.keys();
    if (this.#orderIds.size > remembered && oldest !== undefined) this.#orderIds.delete(oldest);
    return orderId;
  }
}
