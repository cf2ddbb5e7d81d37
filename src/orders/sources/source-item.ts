import { OrderctlError } from "../../core/errors.ts";
import type { OrderCreated } from "../events.ts";

/** A row of a file that is not stored: its line (from 1), the reason in plain words, and its first characters. */
export type Reject = { row: number; reason: string; text: string };

/** What a file of orders yields: an order and the line it begins on, or a reject. */
export type SourceItem = { order: OrderCreated; row: number } | { reject: Reject };

/** A line or record longer than this is refused instead of being held in memory. */
export const maxRowBytes = 1024 * 1024;

const shownCharacters = 120;

/** The error of a row that is not a valid order; it never leaves the readers, which turn it into a reject. */
export const badRow = (reason: string): OrderctlError => new OrderctlError("bad_message", reason);

/** The reason in an error of `badRow` or of a domain rule; rethrows any other error. */
export function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof OrderctlError) || thrown.code !== "bad_message") throw thrown;
  return thrown.message;
}

/** As much of a row as a reject keeps. */
export const beginningOf = (text: string): string =>
  text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
