import { createHash } from "node:crypto";
import type { ByteInput } from "../../publish/files/file-bytes.ts";
import { faultOf, type JsonValue, readJsonFile } from "../../publish/files/json-values.ts";
import { beginningOf } from "../../publish/files/reject.ts";
import { eventKinds } from "../events.ts";
import { defaultCurrency } from "../money.ts";
import { type JsonObject, parseJsonObject, readJsonOrder } from "./json-order.ts";
import { badRow, reasonOf, type SourceItem } from "./source-item.ts";

export type JsonOptions = { fileName: string; currency?: string | undefined };

/**
 * Orders from a file of JSON, as `readJsonFile` reads it; `readJsonOrder` reads each object. Needs constant memory. An
 * order without an id gets one that derives from the object's text and its place, so the same file always makes the same
 * orders. Throws `usage` if the input cannot be read, `bad_message` if it is not text.
 */
export async function* readJsonOrders(input: ByteInput, options: JsonOptions): AsyncGenerator<SourceItem> {
  const { fileName, currency = defaultCurrency } = options;
  for await (const value of readJsonFile(input, fileName)) {
    const item = readValue(value, { currency, place: value.place });
    if (item !== undefined) yield item;
  }
}

function readValue(
  value: JsonValue,
  { currency, place }: { currency: string; place: number },
): SourceItem | undefined {
  const { row, bytes } = value;
  const text = bytes.toString().trim();
  const fault = faultOf(value);
  if (text === "" && fault === undefined) return undefined;
  try {
    if (fault !== undefined) throw badRow(fault);
    const newId = () => contentId(text, place);
    const json = parseJsonObject(bytes);
    refuseOtherEvent(json);
    return { order: readJsonOrder(json, { currency, newId }), row };
  } catch (thrown) {
    return { reject: { row, reason: reasonOf(thrown), text: beginningOf(text) } };
  }
}

/**
 * `replay` writes payments with every field that an order needs: read as an order, such a payment would be charged
 * again.
 */
function refuseOtherEvent({ kind }: JsonObject): void {
  if (kind !== "created" && eventKinds.some((each) => each === kind))
    throw badRow(`an event of kind ${kind}, which is no order`);
}

const contentId = (text: string, place: number): string =>
  createHash("sha256").update(`${place}:${text}`).digest("hex").slice(0, 32);
