import { OrderctlError } from "../errors.ts";
import type { Money } from "./events.ts";

/** What an amount is taken to be in where nobody named a currency. */
export const defaultCurrency = "USD";

const currencyPattern = /^[A-Z]{3}$/;
const decimalPattern = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,4}))?$/i;
const longestSafe = String(Number.MAX_SAFE_INTEGER).length;
/** What the runtime is asked for is remembered; the first question costs it 12 ms, so the usual ones are known here. */
const digitsByCurrency = new Map<string, number>([
  ...["USD", "EUR", "GBP", "CHF", "CNY", "INR", "CAD", "AUD"].map((code) => [code, 2] as const),
  ["JPY", 0] as const,
]);

/** True for three capital letters. Not checked against ISO 4217's list, which changes faster than runtimes do. */
export const isCurrency = (code: string): boolean => currencyPattern.test(code);

/** Digits after the decimal point of `currency` (USD 2, JPY 0, KWD 3); `bad_message` if it is no currency code. */
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
 * Minor units of a decimal amount: 19.99 USD is 1999. A number is taken as its shortest decimal form, the decimal
 * point is shifted without arithmetic, and half is rounded away from zero, so 1.005 USD is 101.
 * Throws `bad_message` for what is no finite decimal number and for results beyond 2^53 - 1.
 */
export function toMinor(amount: number | string, currency: string): number {
  const text = String(amount).trim();
  const [, sign, whole = "", fraction = "", exponent = "0"] = decimalPattern.exec(text) ?? [];
  if (whole === "" && fraction === "")
    throw new OrderctlError("bad_message", `${quote(amount)} is not an amount`);
  const magnitude = shiftDecimal(whole, fraction, Number(exponent) + minorDigits(currency));
  if (!Number.isSafeInteger(magnitude)) {
    throw new OrderctlError("bad_message", `${quote(amount)} ${currency} is too large an amount`);
  }
  return sign === "-" && magnitude > 0 ? -magnitude : magnitude;
}

/** The nearest double to the amount in major units: for programs that want one, never for arithmetic. */
export const toMajor = ({ amountMinor, currency }: Money): number =>
  amountMinor / 10 ** minorDigits(currency);

/** For people: currency and exact amount, `GBP 15.30`. */
export function formatMoney({ amountMinor, currency }: Money): string {
  const digits = minorDigits(currency);
  const units = String(Math.abs(amountMinor)).padStart(digits + 1, "0");
  const point = units.length - digits;
  const fraction = digits === 0 ? "" : `.${units.slice(point)}`;
  return `${currency} ${amountMinor < 0 ? "-" : ""}${units.slice(0, point)}${fraction}`;
}

/** `whole.fraction` × 10^shift, rounded half up; NaN when it has too many digits to be a safe integer. */
function shiftDecimal(whole: string, fraction: string, shift: number): number {
  const all = whole + fraction;
  const digits = all.replace(/^0+/, "");
  const point = whole.length + shift - (all.length - digits.length);
  if (digits === "" || point < 0) return 0;
  if (point > longestSafe) return Number.NaN;
  const kept = Number(digits.slice(0, point).padEnd(point, "0"));
  return (digits[point] ?? "0") >= "5" ? kept + 1 : kept;
}

const quote = (amount: number | string): string => JSON.stringify(String(amount).slice(0, 40));
