import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkJson } from "../../src/core/check-json.ts";

const limits = { maxDepth: 20, maxParts: 30_000 };
const check = (text: string) => checkJson(Buffer.from(text), limits);
/** So much that it is looked at. */
const ballast = "x".repeat(64 * 1024);

describe("checkJson", () => {
  it.each(["[", '{"a":'])("refuses a nest of %s, closed or not", (opening) => {
    expect(() => check(opening.repeat(100_000))).toThrow("JSON nests deeper than 20 levels");
    const closed = `[${opening.repeat(20)}1${(opening === "[" ? "]" : "}").repeat(20)}, "${ballast}"]`;
    expect(() => check(closed)).toThrow("deeper than 20");
  });

  it("refuses a wide one of many small parts", () => {
    expect(() => check(`[${"{},".repeat(30_000)}{}]`)).toThrow("more than 30000 objects and lists");
    expect(() => check(`[${"[],".repeat(29_998)}"${ballast}"]`)).not.toThrow();
  });

  it("counts no brackets in texts, whatever they escape", () => {
    const texts = ["[".repeat(100), '"'.repeat(9), '\\"[{', "\\", `\\\\"${"{".repeat(50)}`];
    expect(() => check(JSON.stringify([...texts, ballast]))).not.toThrow();
  });

  it("lets everything through that stays within the limits", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 15 }), (json) => {
        check(`[${json},"${ballast}"]`);
      }),
    );
  });

  it("takes a nest of 14 MB for one in no time", () => {
    const nest = Buffer.alloc(14_000_000, "[");
    const startedAt = performance.now();
    expect(() => checkJson(nest)).toThrow("deeper than 4096");
    expect(performance.now() - startedAt).toBeLessThan(500);
  });
});
