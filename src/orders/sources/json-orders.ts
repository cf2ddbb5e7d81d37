import { createHash } from "node:crypto";
import { eventKinds } from "../events.ts";
import { defaultCurrency } from "../money.ts";
import { readBoundedLines } from "./bounded-lines.ts";
import { type ByteInput, peekBytes, readBytes } from "./file-bytes.ts";
import { type JsonObject, parseJsonObject, readJsonOrder } from "./json-order.ts";
import { type JsonValue, readJsonValues } from "./json-values.ts";
import { badRow, beginningOf, maxRowBytes, reasonOf, type SourceItem } from "./order-source.ts";

export type JsonOptions = { fileName: string; currency?: string | undefined };

/**
 * Orders from a file with one JSON object per line, or one after the other over several lines, or in one array; each as
 * `readJsonOrder` reads it, in constant memory. Without an id it follows from the object's text and place, so the same file
 * makes the same orders again. Throws `usage` when the input cannot be read, `bad_message` when it is no text.
 */
export async function* readJsonOrders(input: ByteInput, options: JsonOptions): AsyncGenerator<SourceItem> {
  const { fileName, currency = defaultCurrency } = options;
  const bytes = readBytes(input, fileName);
  try {
    const { head, after } = await peekBytes(bytes, tellsForm);
    const form = formOf(head.toString());
    const values = form === "lines" ? readBoundedLines(after(0)) : readJsonValues(after(0), form === "array");
    let place = 0;
    for await (const value of values) {
      place += 1;
      const item = readValue(value, { currency, place: form === "lines" ? value.row : place });
      if (item !== undefined) yield item;
    }
  } finally {
    await bytes.return(undefined);
  }
}

/** An array is known by its first character, all else by its first line. */
const tellsForm = (head: Buffer): boolean =>
  head.length >= maxRowBytes || /^\s*(?:\[|\S[^\n\r]*[\n\r])/.test(head.toString("latin1"));

/** Values over several lines are known by a first line that opens something and ends where more has to come. */
function formOf(head: string): "array" | "lines" | "values" {
  const text = head.trimStart();
  if (text.startsWith("[")) return "array";
  const [line = ""] = text.split(/[\n\r]/, 1);
  return /^\{(?:.*[[{,:])?\s*$/.test(line) ? "values" : "lines";
}

function readValue(
  { row, bytes, tooLong, fault }: JsonValue,
  { currency, place }: { currency: string; place: number },
): SourceItem | undefined {
  const text = bytes.toString().trim();
  if (text === "" && fault === undefined) return undefined;
  try {
    if (fault !== undefined) throw badRow(`not JSON: ${fault}; nothing from here on was read`);
    if (tooLong) throw badRow(`longer than ${maxRowBytes} bytes`);
    const newId = () => contentId(text, place);
    const json = parseJsonObject(bytes);
    refuseOtherEvent(json);
    return { order: readJsonOrder(json, { currency, newId }), row };
  } catch (thrown) {
    return { reject: { row, reason: reasonOf(thrown), text: beginningOf(text) } };
  }
}

/** A replay writes a payment with all that an order needs as well: taken for one, it would be charged again. */
function refuseOtherEvent({ kind }: JsonObject): void {
  if (kind !== "created" && eventKinds.some((each) => each === kind))
    throw badRow(`an event of kind ${kind}, which is no order`);
}

const contentId = (text: string, place: number): string =>
  createHash("sha256").update(`${place}:${text}`).digest("hex").slice(0, 32);
