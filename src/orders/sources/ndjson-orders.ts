import { createHash } from "node:crypto";
import { findEventFault } from "../event-fault.ts";
import type { OrderCreated, OrderLine } from "../events.ts";
import { defaultCurrency, toMinor } from "../money.ts";
import { type Line, readBoundedLines } from "./bounded-lines.ts";
import { type ByteInput, badRow, maxRowBytes, readBytes, type SourceItem, toReject } from "./order-source.ts";

type Json = Record<string, unknown>;

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Orders from a file with one JSON object per line, in constant memory:
 * `{"order_id"?, "customer_id"?, "currency"?, "created_at_us"?, "total_amount"? | "total_minor"?,
 *   "lines"?: [{"sku", "quantity", "unit_price" | "unit_price_minor"}]}`.
 * Amounts are decimal strings or numbers, `_minor` ones integers. Without a total the lines are summed up; without an
 * id it follows from the line's content and number, so the same file makes the same orders again. Other fields are
 * ignored, empty lines skipped. Throws only when the input cannot be read.
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
    const order = readOrder(parseObject(bytes), currency);
    order.orderId ||= contentId(text, row);
    const fault = findEventFault(order);
    if (fault !== undefined) throw badRow(fault);
    return { order, row };
  } catch (thrown) {
    return toReject(thrown, { row, text });
  }
}

function parseObject(bytes: Buffer): Json {
  const parsed = parseJson(decodeStrictly(bytes));
  if (!isObject(parsed)) throw badRow("not a JSON object");
  return parsed;
}

function readOrder(json: Json, fileCurrency: string): OrderCreated {
  const currency = readText(json, "currency") ?? fileCurrency;
  const lines = readLines(json, currency);
  const stated = readAmount(json, { major: "total_amount", minor: "total_minor", currency });
  if (stated === undefined && lines.length === 0) throw badRow("neither lines nor a total");
  const amountMinor = stated ?? lines.reduce((sum, line) => sum + line.quantity * line.unitPriceMinor, 0);
  return {
    kind: "created",
    orderId: readText(json, "order_id") ?? "",
    customerId: readText(json, "customer_id") ?? "",
    lines,
    total: { amountMinor, currency },
    createdAtUs: readNumber(json, "created_at_us") ?? null,
  };
}

function readLines(json: Json, currency: string): OrderLine[] {
  const lines = json.lines ?? [];
  if (!Array.isArray(lines)) throw badRow("lines is not a list");
  return lines.map((line: unknown, index) => {
    if (!isObject(line)) throw badRow(`lines[${index}] is not a JSON object`);
    const unitPriceMinor = readAmount(line, { major: "unit_price", minor: "unit_price_minor", currency });
    if (unitPriceMinor === undefined) throw badRow(`lines[${index}] has no unit_price`);
    const quantity = readNumber(line, "quantity");
    if (quantity === undefined) throw badRow(`lines[${index}] has no quantity`);
    return { sku: readText(line, "sku") ?? "", quantity, unitPriceMinor };
  });
}

function readAmount(
  json: Json,
  names: { major: string; minor: string; currency: string },
): number | undefined {
  const minor = readNumber(json, names.minor);
  if (minor !== undefined) return minor;
  const amount = json[names.major] ?? undefined;
  if (amount === undefined) return undefined;
  if (typeof amount === "number" || typeof amount === "string") return toMinor(amount, names.currency);
  throw badRow(`${names.major} is neither a number nor a decimal string`);
}

function readText(json: Json, field: string): string | undefined {
  const value = json[field] ?? undefined;
  if (value === undefined || typeof value === "string") return value;
  throw badRow(`${field} is not a string`);
}

function readNumber(json: Json, field: string): number | undefined {
  const value = json[field] ?? undefined;
  if (value === undefined || typeof value === "number") return value;
  throw badRow(`${field} is not a number`);
}

function decodeStrictly(bytes: Buffer): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw badRow("not UTF-8");
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw badRow(`not JSON: ${(cause as Error).message}`);
  }
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const contentId = (text: string, row: number): string =>
  createHash("sha256").update(`${row}:${text}`).digest("hex").slice(0, 32);
