import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyOfToken, longestToken, tokenOfKey } from "../../../src/flow/define/key-token.ts";

describe("a key", () => {
  it.each([
    ["o-1_B", "o-1_B"],
    ["a b.c", "a%20b%2Ec"],
    ["*.>", "%2A%2E%3E"],
    ["größer", "gr%C3%B6%C3%9Fer"],
    ["50%", "50%25"],
    ["a@b.org", "a%40b%2Eorg"],
  ])("%j is one token, %s", (key, token) => {
    expect(tokenOfKey(key)).toBe(token);
    expect(keyOfToken(token)).toBe(key);
  });

  it("is what comes back of its token, which is a token of NATS, whatever it is", () => {
    const property = fc.property(fc.string({ minLength: 1, maxLength: 8, unit: "binary" }), (key) => {
      const token = tokenOfKey(key);
      expect(token).toMatch(/^[!-)+-=?-~]+$/);
      expect(token).not.toContain(".");
      expect(keyOfToken(token)).toBe(key);
    });
    fc.assert(property, { numRuns: 1000 });
  });

  it("has one token: no other text stands for it", () => {
    for (const token of ["%61", "a%2e", "a%2E%", "%FF", "a b", "a.b", "*", "", "x".repeat(longestToken + 1)])
      expect(keyOfToken(token), token).toBeUndefined();
  });

  it.each([
    "",
    "\ud800",
    "x".repeat(longestToken + 1),
    "ß".repeat(longestToken / 3),
  ])("is none: %j", (key) => {
    expect(() => tokenOfKey(key)).toThrow("is no key");
  });
});
