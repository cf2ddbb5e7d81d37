import { OrderctlError } from "../../core/errors.ts";
import type { Reject } from "../../publish/files/reject.ts";
import type { OrderCreated } from "../events.ts";

/** What a file of orders yields: an order and the line it begins on, or a reject. */
export type SourceItem = { order: OrderCreated; row: number } | { reject: Reject };

/** The error of a row that is not a valid order; it never leaves the readers, which turn it into a reject. */
export const badRow = (reason: string): OrderctlError => new OrderctlError("bad_message", reason);

/** The reason in an error of `badRow` or of a domain rule; rethrows any other error. */
export function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof OrderctlError) || thrown.code !== "bad_message") throw thrown;
  return thrown.message;
}
