import { describe, expect, it } from "vitest";
import { createReasons } from "../../../src/telemetry/metrics/metrics.ts";

describe("a reason from outside", () => {
  it.each(["do_not_honor", "card_expired", "r2", "x".repeat(40)])("stays as it is: %s", (reason) => {
    expect(createReasons()(reason)).toBe(reason);
  });

  it.each([
    "",
    "x".repeat(41),
    "Card Expired",
    'a"b',
    "a\nb",
    "größe",
    "__proto__ ",
  ])("is other: %j", (reason) => {
    expect(createReasons()(reason)).toBe("other");
  });

  it("is other beyond the limit, while those known before stay known", () => {
    const reasonOf = createReasons(2);
    expect(["a", "b", "c", "a", "b"].map(reasonOf)).toEqual(["a", "b", "other", "a", "b"]);
  });
});
