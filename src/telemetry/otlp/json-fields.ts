import { OrderctlError } from "../../core/errors.ts";
import type { WireInteger } from "./wire.ts";
import { fromBigint } from "./wire-integer.ts";

/**
 * An object of an OTLP/JSON document (https://protobuf.dev/programming-guides/json/). The functions below read its
 * fields: one that is missing or null has its default value. They throw `bad_message` with the field's name; the reader
 * of the enclosing object puts its own name before that, so that a path is built only for an error.
 */
export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown, path = ""): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw misfit(path, "an object");
  return value as Fields;
}

export const misfit = (path: string, expected: string): OrderctlError =>
  new OrderctlError("bad_message", `${path}: expected ${expected}`);

function within(place: string, thrown: unknown): unknown {
  if (!(thrown instanceof OrderctlError)) return thrown;
  const { code, message } = thrown;
  return new OrderctlError(code, `${place}${message.startsWith(":") ? "" : "."}${message}`);
}

export function list<T>(fields: Fields, name: string, read: (item: Fields) => T): T[] {
  const items = fields[name] ?? [];
  if (!Array.isArray(items)) throw misfit(name, "an array");
  const result: T[] = [];
  try {
    for (const item of items) result.push(read(fieldsOf(item)));
  } catch (thrown) {
    throw within(`${name}[${result.length}]`, thrown);
  }
  return result;
}

export function part<T>(fields: Fields, name: string, read: (fields: Fields) => T): T | null {
  const value = fields[name] ?? null;
  if (value === null) return null;
  try {
    return read(fieldsOf(value));
  } catch (thrown) {
    throw within(name, thrown);
  }
}

/**
 * A lone surrogate, which UTF-8 cannot encode, becomes `U+FFFD`: exporters cut long values anywhere, also within a
 * pair.
 */
export function text(fields: Fields, name: string): string {
  const value = fields[name] ?? "";
  if (typeof value !== "string") throw misfit(name, "a string");
  return /[\ud800-\udfff]/.test(value) ? value.replace(/\p{Surrogate}/gu, "\ufffd") : value;
}

/** The bytes of an id, of whatever length; empty if the field is no hex. `checkSpan` checks the length. */
export function hexId(fields: Fields, name: string): Buffer {
  const digits = text(fields, name);
  const bytes = Buffer.from(digits, "hex");
  return bytes.length * 2 === digits.length ? bytes : Buffer.alloc(0);
}

export function base64(value: unknown, name: string): Buffer {
  if (typeof value !== "string") throw misfit(name, "base64");
  return Buffer.from(value, "base64");
}

export function uint32(fields: Fields, name: string): number {
  const given = fields[name] ?? 0;
  const value = isDigits(given) ? Number(given) : given;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value >= 2 ** 32)
    throw misfit(name, "a 32-bit integer");
  return value;
}

/** An enum value, given as its number or as one of `names` with `prefix` before it (`SPAN_KIND_SERVER`). */
export function enumNumber(
  fields: Fields,
  name: string,
  { prefix, names }: { prefix: string; names: readonly string[] },
): number {
  const value = fields[name] ?? 0;
  const number = typeof value === "string" ? names.findIndex((each) => prefix + each === value) : value;
  if (typeof number !== "number" || !Number.isInteger(number) || number < 0)
    throw misfit(name, `a number, or ${prefix}${names.slice(0, 2).join(` or ${prefix}`)} …`);
  return number;
}

const limits = { signed: [-(2n ** 63n), 2n ** 63n - 1n], unsigned: [0n, 2n ** 64n - 1n] } as const;

/** A 64-bit integer, given as decimal digits or as a number. Hot path: one BigInt per value, 0.3 µs. */
export function int64(value: unknown, name: string, sign: keyof typeof limits): NonNullable<WireInteger> {
  const isInteger = typeof value === "number" ? Number.isInteger(value) : isDigits(value);
  const exact = isInteger ? BigInt(value as number | string) : undefined;
  const [least, most] = limits[sign];
  if (exact === undefined || exact < least || exact > most) throw misfit(name, "a 64-bit integer");
  return fromBigint(exact);
}

const isDigits = (value: unknown): boolean => typeof value === "string" && /^-?\d{1,20}$/.test(value);
