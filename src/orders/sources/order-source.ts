import { OrderctlError, systemCode } from "../../errors.ts";
import type { OrderCreated } from "../events.ts";

/** The part of a file that is no order: its line (from 1), why in plain words, and how it begins. */
export type Reject = { row: number; reason: string; text: string };

/** What a file of orders yields: an order and the line it begins on, or a reject. */
export type SourceItem = { order: OrderCreated; row: number } | { reject: Reject };

/** Bytes of a file in pieces, as streams yield them. */
export type ByteInput = AsyncIterable<Uint8Array | string>;

/** A line or record longer than this is refused instead of being held in memory. */
export const maxRowBytes = 1024 * 1024;

const shownCharacters = 120;

/** Why one row is no order. It never leaves the readers, which turn it into a reject. */
export const badRow = (reason: string): OrderctlError => new OrderctlError("bad_message", reason);

/** The reject for what `badRow` or a domain rule threw; anything else is thrown on. */
export function toReject(thrown: unknown, { row, text }: { row: number; text: string }): { reject: Reject } {
  if (!(thrown instanceof OrderctlError) || thrown.code !== "bad_message") throw thrown;
  return { reject: { row, reason: thrown.message, text: beginningOf(text) } };
}

/** The bytes of `input`; a file that cannot be read is an error of usage that names it. */
export async function* readBytes(input: ByteInput, fileName: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of input) yield typeof chunk === "string" ? Buffer.from(chunk) : asBuffer(chunk);
  } catch (cause) {
    if (systemCode(cause) === undefined) throw cause;
    throw new OrderctlError("usage", `cannot read ${fileName}: ${(cause as Error).message}`, { cause });
  }
}

const asBuffer = (chunk: Uint8Array): Buffer => Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);

const beginningOf = (text: string): string =>
  text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
