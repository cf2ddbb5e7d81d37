import type { IncomingHttpHeaders } from "node:http";
import { v5 } from "uuid";
import { isOrderId } from "../subjects.ts";
import type { Problem } from "./problem.ts";

/** A text between quotes, as RFC 8941 writes it, where only quotes and backslashes are escaped. */
const quotedPattern = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"$/;
const barePattern = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]{1,255}$/;
/** Of ids made from keys; anything fixed would do. */
const namespace = "6f0b2f0e-7d0c-5a53-9a39-2f3f4f6e1c7d";
const remembered = 10_000;

/**
 * The `Idempotency-Key` of a request (draft-ietf-httpapi-idempotency-key-header), with or without its quotes; undefined
 * where there is none, a problem where it cannot be one.
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

/** The id of an order whose body names none: the key itself where it can be one, else a UUID that follows from it. */
export const orderIdOf = (key: string): string => (isOrderId(key) ? key : v5(key, namespace));

/**
 * Which order each of the last 10,000 keys led to in this process. A key whose orders name no id of their own leads to the
 * same one for ever, here and everywhere; only where they do, a second one is known by this memory alone.
 */
export class KeyMemory {
  readonly #orderIds = new Map<string, string>();

  /** The order that the key leads to: this one, unless it led to another before. */
  claim(key: string, orderId: string): string {
    const claimed = this.#orderIds.get(key);
    if (claimed !== undefined) return claimed;
    this.#orderIds.set(key, orderId);
    const [oldest] = this.#orderIds.keys();
    if (this.#orderIds.size > remembered && oldest !== undefined) this.#orderIds.delete(oldest);
    return orderId;
  }
}
