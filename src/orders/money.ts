import { OrderctlError } from "../core/errors.ts";
import type { Money } from "./events.ts";

/** Currency of an amount that names none. */
export const defaultCurrency = "USD";

const currencyPattern = /^[A-Z]{3}$/;
const decimalPattern = /^([+-]?)(\d*)(?:\.(\d*))?$/;
/**
 * Currency → digits after the decimal point. Answers of `Intl` are cached; the usual currencies are listed here because
 * the first call of `Intl` takes 12 ms.
 */
const digitsByCurrency = new Map<string, number>([
  ...["USD", "EUR", "GBP", "CHF", "CNY", "INR", "CAD", "AUD"].map((code) => [code, 2] as const),
  ["JPY", 0] as const,
]);

/** True for three capital letters. Not checked against ISO 4217's list, which changes faster than runtimes do. */
export const isCurrency = (code: string): boolean => currencyPattern.test(code);

/**
 * Digits after the decimal point of `currency` (USD 2, JPY 0, KWD 3); throws `bad_message` if it is not a currency
 * code.
 */
export function minorDigits(currency: string): number {
  const known = digitsByCurrency.get(currency);
  if (known !== undefined) return known;
  if (!isCurrency(currency)) {
    throw new OrderctlError("bad_message", `${JSON.stringify(currency)} is not a currency code`);
  }
  const format = new Intl.NumberFormat("en", { style: "currency", currency });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  digitsByCurrency.set(currency, digits);
  return digits;
}

/**
 * Minor units of a decimal amount: 19.99 USD is 1999. Nothing is rounded: digits beyond those of the currency have to
 * be zeros. A text may have digits, one decimal point and a sign, so `1e3`, `1,000` and `0x10` are refused; a number is
 * read in its shortest decimal form. Throws `bad_message` for all else, and beyond 2^53 - 1.
 */
export function toMinor(amount: number | string, currency: string): number {
  const { kept, rest } = splitAmount(amount, currency);
  if (/^0*$/.test(rest)) return kept;
  const digits = minorDigits(currency);
  const allowed =
    digits === 0 ? `decimals, and ${currency} has none` : `more than the ${digits} decimals of ${currency}`;
  throw refusal(`${quote(amount)} has ${allowed}`);
}

/**
 * Minor units of a double that another program stored instead of an exact amount, which the wire contract allows:
 * rounded half away from zero in its shortest decimal form, so 1234.565 USD is 123457. Throws `bad_message` as
 * `toMinor` does.
 */
export function doubleToMinor(amount: number, currency: string): number {
  const { kept, rest } = splitAmount(amount, currency);
  if (rest === "" || rest < "5") return kept;
  return amount < 0 ? kept - 1 : kept + 1;
}

/** Whole minor units of an amount (`kept`), and the decimal digits beyond them (`rest`). */
function splitAmount(amount: number | string, currency: string): { kept: number; rest: string } {
  const digits = minorDigits(currency);
  const text = typeof amount === "number" ? plainText(amount) : amount.trim();
  const [, sign, whole = "", fraction = ""] = decimalPattern.exec(text) ?? [];
  if (whole === "" && fraction === "") throw refusal(`${quote(amount)} is not an amount`);
  const magnitude = Number(whole + fraction.slice(0, digits).padEnd(digits, "0"));
  if (!Number.isSafeInteger(magnitude)) throw refusal(`${quote(amount)} ${currency} is too large an amount`);
  return { kept: sign === "-" && magnitude > 0 ? -magnitude : magnitude, rest: fraction.slice(digits) };
}

/** The nearest double to the amount in major units: for programs that expect one, never for arithmetic. */
export const toMajor = ({ amountMinor, currency }: Money): number =>
  amountMinor / 10 ** minorDigits(currency);

/** Currency and exact amount, for people: `GBP 15.30`. */
export function formatMoney({ amountMinor, currency }: Money): string {
  const digits = minorDigits(currency);
  const units = String(Math.abs(amountMinor)).padStart(digits + 1, "0");
  const point = units.length - digits;
  const fraction = digits === 0 ? "" : `.${units.slice(point)}`;
  return `${currency} ${amountMinor < 0 ? "-" : ""}${units.slice(0, point)}${fraction}`;
}

/** Decimal form of a number without the exponent that JavaScript writes from 1e21 on and below 1e-6. */
function plainText(amount: number): string {
  const [digits = "", exponent] = String(amount).split("e");
  if (exponent === undefined) return digits;
  if (amount % 1 === 0) return String(BigInt(amount));
  const sign = amount < 0 ? "-" : "";
  return `${sign}0.${"0".repeat(-Number(exponent) - 1)}${digits.replace(/\D/g, "")}`;
}

const refusal = (reason: string): OrderctlError => new OrderctlError("bad_message", reason);

const quote = (amount: number | string): string => JSON.stringify(String(amount).slice(0, 40));
