import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { covers, isFilter, isPrefix, overlap } from "../../src/jetstream/streams/replay-streams.ts";

/** Every subject of up to four tokens over a small alphabet. */
const tokens = ["a", "b"];
const subjects = [1, 2, 3, 4].flatMap((length) =>
  Array.from({ length: tokens.length ** length }, (_, number) =>
    Array.from({ length }, (_, index) => tokens[(number >> index) & 1]).join("."),
  ),
);

const pattern = fc
  .tuple(fc.array(fc.constantFrom("a", "b", "*"), { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([parts, isOpen]) => [...parts, ...(isOpen ? [">"] : [])].join("."));

/** What NATS says a pattern matches, as a regular expression. */
const matches = (filter: string, subject: string): boolean => {
  const expression = filter.replaceAll(".", "\\.").replaceAll("*", "[^.]+").replace(/>$/, ".+");
  return new RegExp(`^${expression}$`).test(subject);
};

describe("subjects and filters", () => {
  it("overlap exactly where some subject matches both", () => {
    fc.assert(
      fc.property(pattern, pattern, (one, other) => {
        const common = subjects.some((subject) => matches(one, subject) && matches(other, subject));
        expect(overlap(one, other)).toBe(common);
      }),
      { numRuns: 500 },
    );
  });

  it("cover exactly what matches no more", () => {
    fc.assert(
      fc.property(pattern, pattern, (wide, narrow) => {
        const more = subjects.some((subject) => matches(narrow, subject) && !matches(wide, subject));
        // A pattern of four tokens and more that is open covers what this alphabet of subjects cannot tell apart.
        if (covers(wide, narrow)) expect(more).toBe(false);
        else if (narrow.split(".").length < 4) expect(more).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("are told from what a broker would refuse", () => {
    const good = ["ORDERS.>", "ORDERS.*.x", ">", "*", "a"];
    const bad = ["", ".", "a.", ".a", "a..b", "a b", ">.a", "a.>.b", "a>"];
    expect([...good, ...bad].filter(isFilter)).toEqual(good);
    const prefixes = ["REPLAY", "test.replay", "_INBOXES"];
    const none = ["", "a.*", "a.>", "$JS", "$KV.x", "_INBOX", "_INBOX.x", "_INBOX_ann"];
    expect([...prefixes, ...none].filter(isPrefix)).toEqual(prefixes);
  });
});
