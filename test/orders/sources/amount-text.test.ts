import { describe, expect, test } from "vitest";
import { plainNumber } from "../../../src/orders/sources/amount-text.ts";

const nameOf = { ".": "point", ",": "comma" };

describe("a number", () => {
  test.each([
    [".", "1234.5", "1234.5"],
    [".", "-0.5", "-0.5"],
    [".", ".5", ".5"],
    [".", "1,234.56", "1234.56"],
    [".", "1,234,567", "1234567"],
    [".", "1 234.56", "1234.56"],
    [".", "1\u00a0234\u00a0567.8", "1234567.8"],
    [".", "1\u202f234", "1234"],
    [".", "1'234.50", "1234.50"],
    [".", "1’234’567.50", "1234567.50"],
    [",", "3,50", "3.50"],
    [",", "1.234,56", "1234.56"],
    [",", "1.234.567", "1234567"],
    [",", "1 234,5", "1234.5"],
    [",", "1,234", "1.234"],
    [",", "5", "5"],
  ] as const)("with the decimal mark %s is read: %s is %s", (mark, text, plain) => {
    expect(plainNumber(text, { mark, isStated: false })).toBe(plain);
  });

  test.each([
    [".", "1,234", "1234 or 1.234"],
    [",", "1.234", "1234 or 1.234"],
    [",", "-12.345", "-12345 or -12.345"],
  ] as const)("is refused where it can be two: with the mark %s, %s", (mark, text, both) => {
    const message = `"${text}" can be ${both}; --decimal . or --decimal , says which`;
    expect(() => plainNumber(text, { mark, isStated: false })).toThrow(message);
    expect(plainNumber(text, { mark, isStated: true })).toBe(both.split(" ")[0]);
  });

  test.each([
    [".", "3,50"],
    [".", "1.234,56"],
    [".", "1 234,5"],
    [",", "2.55"],
    [",", "1,234.56"],
  ] as const)("is refused where it has the other mark: with %s, %s", (mark, text) => {
    const other = mark === "." ? "," : ".";
    expect(() => plainNumber(text, { mark, isStated: false })).toThrow(
      `"${text}" has a decimal ${nameOf[other]}, this file a decimal ${nameOf[mark]}; --decimal ${other} reads it`,
    );
  });

  test.each([
    "1,23,456.0",
    "12 34",
    "1 234 56",
    "1,234 567",
    "1_000",
    "£3",
    "3-",
    "٣,٥",
  ])("comes back as it is where it is none: %s", (text) => {
    expect(plainNumber(text, { mark: ".", isStated: false })).toBe(text);
  });
});
