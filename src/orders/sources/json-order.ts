import { checkJson } from "../../core/check-json.ts";
import type { OrderCreated, OrderLine } from "../events.ts";
import { isCurrency, toMinor } from "../money.ts";
import { findEventFault } from "../wire/event-fault.ts";
import { badRow, reasonOf } from "./source-item.ts";

export type JsonObject = Record<string, unknown>;

/** Values for a document that names no currency or no order id. */
export type JsonOrderDefaults = { currency: string; newId: () => string };

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Names in JSON of the event fields that are named differently there. */
const jsonNames: Record<string, string> = {
  orderId: "order_id",
  customerId: "customer_id",
  createdAtUs: "created_at_us",
  unitPriceMinor: "unit_price",
};
const fieldNames = new RegExp(`\\b(?:${Object.keys(jsonNames).join("|")})\\b`);

/** Parses `bytes` as a JSON object; throws `bad_message` for anything else. */
export function parseJsonObject(bytes: Uint8Array): JsonObject {
  checkJson(bytes);
  const parsed = parseJson(decodeStrictly(bytes));
  if (!isObject(parsed)) throw badRow("not a JSON object");
  return parsed;
}

/**
 * The order in a JSON object:
 * `{"order_id"?, "customer_id"?, "currency"?, "created_at_us"?, "total_amount"? | "total_minor"?,
 *   "lines"?: [{"sku", "quantity", "unit_price" | "unit_price_minor"}]}`.
 * Amounts are decimal strings or numbers, those named `_minor` integers; if both are given they have to agree. A
 * missing total is the sum of the lines. Other fields are ignored. Throws `bad_message`; the message begins with the
 * field, if a single field is at fault.
 */
export function readJsonOrder(json: JsonObject, defaults: JsonOrderDefaults): OrderCreated {
  const currency = readText(json, "currency") ?? defaults.currency;
  if (!isCurrency(currency)) {
    throw badRow(`currency ${JSON.stringify(currency.slice(0, 40))} is not three capital letters`);
  }
  const lines = readLines(json, currency);
  const stated = readAmount(json, { major: "total_amount", minor: "total_minor", currency, path: "" });
  if (stated === undefined && lines.length === 0) throw badRow("neither lines nor a total");
  const amountMinor = stated ?? lines.reduce((sum, line) => sum + line.quantity * line.unitPriceMinor, 0);
  const order: OrderCreated = {
    kind: "created",
    orderId: readText(json, "order_id") || defaults.newId(),
    customerId: readText(json, "customer_id") ?? "",
    lines,
    total: { amountMinor, currency },
    createdAtUs: readNumber(json, "created_at_us") ?? null,
  };
  const fault = findEventFault(order);
  if (fault === undefined) return order;
  throw badRow(fault.replace(fieldNames, (name) => jsonNames[name] ?? name));
}

const orderFields = [
  "order_id",
  "customer_id",
  "currency",
  "created_at_us",
  "total_amount",
  "total_minor",
  "lines",
];
const lineFields = ["sku", "quantity", "unit_price", "unit_price_minor"];

/** The path of the first field that `readJsonOrder` would ignore; undefined if there is none. */
export function findUnknownField(json: JsonObject): string | undefined {
  const unknown = Object.keys(json).find((name) => !orderFields.includes(name));
  if (unknown !== undefined || !Array.isArray(json.lines)) return unknown;
  for (const [index, line] of json.lines.entries()) {
    const name = isObject(line) ? Object.keys(line).find((each) => !lineFields.includes(each)) : undefined;
    if (name !== undefined) return `lines[${index}].${name}`;
  }
  return undefined;
}

function readLines(json: JsonObject, currency: string): OrderLine[] {
  const lines = json.lines ?? [];
  if (!Array.isArray(lines)) throw badRow("lines is not a list");
  return lines.map((line: unknown, index) => {
    const path = `lines[${index}].`;
    if (!isObject(line)) throw badRow(`lines[${index}] is not a JSON object`);
    const unitPriceMinor = readAmount(line, {
      major: "unit_price",
      minor: "unit_price_minor",
      currency,
      path,
    });
    if (unitPriceMinor === undefined) throw badRow(`${path}unit_price is missing`);
    const quantity = readNumber(line, "quantity", path);
    if (quantity === undefined) throw badRow(`${path}quantity is missing`);
    return { sku: readText(line, "sku", path) ?? "", quantity, unitPriceMinor };
  });
}

type AmountFields = { major: string; minor: string; currency: string; path: string };

function readAmount(json: JsonObject, { major, minor, currency, path }: AmountFields): number | undefined {
  const units = readNumber(json, minor, path);
  const amount = json[major] ?? undefined;
  if (amount === undefined) return units;
  if (typeof amount !== "number" && typeof amount !== "string") {
    throw badRow(`${path}${major} is neither a number nor a decimal string`);
  }
  const exact = minorOf(amount, `${path}${major}`, currency);
  if (units === undefined || units === exact) return exact;
  throw badRow(`${path}${major} and ${minor} differ`);
}

function minorOf(amount: number | string, field: string, currency: string): number {
  try {
    return toMinor(amount, currency);
  } catch (thrown) {
    throw badRow(`${field}: ${reasonOf(thrown)}`);
  }
}

function readText(json: JsonObject, field: string, path = ""): string | undefined {
  const value = json[field] ?? undefined;
  if (value === undefined || typeof value === "string") return value;
  throw badRow(`${path}${field} is not a string`);
}

function readNumber(json: JsonObject, field: string, path = ""): number | undefined {
  const value = json[field] ?? undefined;
  if (value === undefined || typeof value === "number") return value;
  throw badRow(`${path}${field} is not a number`);
}

function decodeStrictly(bytes: Uint8Array): string {
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

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
