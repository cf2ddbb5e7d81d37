import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatMoney, minorDigits, toMajor, toMinor } from "../../src/orders/money.ts";

describe("toMinor", () => {
  test.each([
    [19.99, "USD", 1999],
    ["19.99", "USD", 1999],
    [1.005, "USD", 101],
    ["1.00499999999999999999", "USD", 100],
    [-1.005, "USD", -101],
    [0.004, "USD", 0],
    [-0.004, "USD", 0],
    [".5", "USD", 50],
    ["5.", "USD", 500],
    ["+2.50", "USD", 250],
    [" 2.55 ", "GBP", 255],
    [1e-7, "USD", 0],
    ["1.5e3", "USD", 150_000],
    [1200, "JPY", 1200],
    [1200.5, "JPY", 1201],
    [1.2345, "KWD", 1235],
    ["90071992547409.91", "USD", Number.MAX_SAFE_INTEGER],
    ["000000000000000000000000000001.25", "USD", 125],
  ])("%s %s is %i minor units", (amount, currency, minor) => {
    expect(toMinor(amount, currency)).toBe(minor);
  });

  test.each([
    [Number.NaN, "USD"],
    [Number.POSITIVE_INFINITY, "USD"],
    ["", "USD"],
    [".", "USD"],
    ["1,50", "USD"],
    ["£2", "GBP"],
    ["0x10", "USD"],
    ["1e99999", "USD"],
    ["90071992547409.92", "USD"],
    [1e300, "USD"],
    [1, "usd"],
    [1, "US"],
  ])("refuses %s %s", (amount, currency) => {
    expect(() => toMinor(amount, currency)).toThrow(expect.objectContaining({ code: "bad_message" }));
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
