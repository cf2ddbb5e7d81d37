import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { doubleToMinor, formatMoney, minorDigits, toMajor, toMinor } from "../../src/orders/money.ts";

describe("toMinor", () => {
  test.each([
    [19.99, "USD", 1999],
    ["19.99", "USD", 1999],
    ["2.500", "GBP", 250],
    ["1200.000", "JPY", 1200],
    ["-4.20", "USD", -420],
    [-0, "USD", 0],
    ["-0.00", "USD", 0],
    [".5", "USD", 50],
    ["5.", "USD", 500],
    ["+2.50", "USD", 250],
    [" 2.55 ", "GBP", 255],
    ["\u00a02.55", "GBP", 255],
    [1200, "JPY", 1200],
    [1e3, "USD", 100_000],
    ["1.234", "KWD", 1234],
    ["90071992547409.91", "USD", Number.MAX_SAFE_INTEGER],
    ["000000000000000000000000000001.25", "USD", 125],
  ])("%s %s is %i minor units", (amount, currency, minor) => {
    expect(toMinor(amount, currency)).toBe(minor);
  });

  // They used to be rounded: 2.555 a piece was charged as 2.56.
  test.each([
    ["2.555", "GBP", '"2.555" has more than the 2 decimals of GBP'],
    [4.255, "USD", '"4.255" has more than the 2 decimals of USD'],
    [0.30000000000000004, "USD", '"0.30000000000000004" has more than the 2 decimals of USD'],
    ["1.00499999999999999999", "USD", undefined],
    [-1.005, "USD", undefined],
    [0.004, "USD", undefined],
    [1e-7, "USD", undefined],
    [-2.5e-300, "USD", undefined],
    [1200.5, "JPY", '"1200.5" has decimals, and JPY has none'],
    ["1.2345", "KWD", '"1.2345" has more than the 3 decimals of KWD'],
  ])("refuses to round %s %s", (amount, currency, reason) => {
    const message = reason ?? expect.stringMatching(/has (more than the \d )?decimals/);
    expect(() => toMinor(amount, currency)).toThrow(
      expect.objectContaining({ code: "bad_message", message }),
    );
  });

  test.each([
    [Number.NaN, "USD"],
    [Number.POSITIVE_INFINITY, "USD"],
    ["NaN", "USD"],
    ["Infinity", "USD"],
    ["", "USD"],
    [".", "USD"],
    ["-", "USD"],
    ["1,50", "USD"],
    ["1,000.00", "USD"],
    ["1 000", "USD"],
    ["1_000", "USD"],
    ["£2", "GBP"],
    ["2 GBP", "GBP"],
    ["1e3", "USD"],
    ["1.5e3", "USD"],
    ["0x10", "USD"],
    ["1.2.3", "USD"],
    ["--1", "USD"],
    ["5-", "USD"],
    ["٣", "USD"],
    ["３", "USD"],
  ])("says that %s %s is not an amount", (amount, currency) => {
    const message = expect.stringMatching(/is not an amount$/);
    expect(() => toMinor(amount, currency)).toThrow(
      expect.objectContaining({ code: "bad_message", message }),
    );
  });

  test.each([
    ["90071992547409.92", "USD"],
    [1e300, "USD"],
    [-1e21, "JPY"],
  ])("says that %s %s is too large", (amount, currency) => {
    const message = expect.stringMatching(/is too large an amount$/);
    expect(() => toMinor(amount, currency)).toThrow(
      expect.objectContaining({ code: "bad_message", message }),
    );
  });

  test.each(["usd", "US", "", "EURO"])("refuses the currency %j", (currency) => {
    expect(() => toMinor(1, currency)).toThrow(expect.objectContaining({ code: "bad_message" }));
  });

  test("takes back what toMajor gave, up to 15 digits", () => {
    const amounts = fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 });
    fc.assert(
      fc.property(amounts, fc.constantFrom("USD", "JPY", "KWD"), (amountMinor, currency) => {
        expect(toMinor(toMajor({ amountMinor, currency }), currency)).toBe(amountMinor);
      }),
    );
  });
});

describe("doubleToMinor", () => {
  test.each([
    [0.1 + 0.2, "USD", 30],
    [1234.565, "USD", 123_457],
    [-1.005, "USD", -101],
    [1.004, "USD", 100],
    [1200.5, "JPY", 1201],
    [1.2345, "KWD", 1235],
    [1e-7, "USD", 0],
    [0, "USD", 0],
  ])("rounds %s %s, as other programs store it, to %i minor units", (amount, currency, minor) => {
    expect(doubleToMinor(amount, currency)).toBe(minor);
  });

  test.each([
    [Number.NaN, "USD"],
    [Number.NEGATIVE_INFINITY, "USD"],
    [1e300, "USD"],
    [1, "usd"],
  ])("refuses %s %s", (amount, currency) => {
    expect(() => doubleToMinor(amount, currency)).toThrow(expect.objectContaining({ code: "bad_message" }));
  });
});

test("a currency has as many minor digits as ISO 4217 gives it", () => {
  expect(["USD", "JPY", "KWD", "EUR"].map(minorDigits)).toEqual([2, 0, 3, 2]);
});

test.each([
  [1530, "GBP", "GBP 15.30"],
  [5, "USD", "USD 0.05"],
  [-5, "USD", "USD -0.05"],
  [1200, "JPY", "JPY 1200"],
  [0, "KWD", "KWD 0.000"],
  [Number.MAX_SAFE_INTEGER, "USD", "USD 90071992547409.91"],
])("%i minor units of %s are shown as %s", (amountMinor, currency, shown) => {
  expect(formatMoney({ amountMinor, currency })).toBe(shown);
});
