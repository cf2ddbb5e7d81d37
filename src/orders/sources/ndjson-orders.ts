import { createHash } from "node:crypto";
import { defaultCurrency } from "../money.ts";
import { type Line, readBoundedLines } from "./bounded-lines.ts";
import { parseJsonObject, readJsonOrder } from "./json-order.ts";
import { type ByteInput, badRow, maxRowBytes, readBytes, type SourceItem, toReject } from "./order-source.ts";

/**
 * Orders from a file with one JSON object per line, as `readJsonOrder` reads it, in constant memory. Without an id it
 * follows from the line's content and number, so the same file makes the same orders again. Empty lines are skipped.
 * Throws only when the input cannot be read.
 */
export async function* readNdjsonOrders(
  input: ByteInput,
  { fileName, currency = defaultCurrency }: { fileName: string; currency?: string | undefined },
): AsyncGenerator<SourceItem> {
  for await (const line of readBoundedLines(readBytes(input, fileName))) {
    const item = readLine(line, currency);
    if (item !== undefined) yield item;
  }
}

function readLine({ row, bytes, tooLong }: Line, currency: string): SourceItem | undefined {
  const text = bytes.toString().trim();
  if (text === "") return undefined;
  try {
    if (tooLong) throw badRow(`longer than ${maxRowBytes} bytes`);
    const newId = () => contentId(text, row);
    return { order: readJsonOrder(parseJsonObject(bytes), { currency, newId }), row };
  } catch (thrown) {
    return toReject(thrown, { row, text });
  }
}

const contentId = (text: string, row: number): string =>
  createHash("sha256").update(`${row}:${text}`).digest("hex").slice(0, 32);
