import { describe, expect, it } from "vitest";
import { filterTrace } from "../../src/trace/filter.ts";
import { buildSpanTrace } from "../../src/trace/picture.ts";
import { span } from "./traced-order.ts";

const labels = ({ rows }: { rows: readonly { label: string; depth: number }[] }) =>
  rows.map(({ label, depth }) => `${"  ".repeat(depth)}${label}`);

describe("filterTrace", () => {
  const query = (n: number, took: number, error?: string) =>
    span({
      ...{ name: `query ${String.fromCharCode(97 + n)}`, from: n * 100, to: n * 100 + took, spanId: `q${n}` },
      ...{ parentSpanId: "root", ...(error === undefined ? {} : { error }) },
    });
  const root = span({ name: "root", from: 0, to: 1000, spanId: "root" });
  const trace = buildSpanTrace([root, query(0, 90), query(1, 10), query(2, 5, "locked"), query(3, 60)]);

  it("leaves what was asked for with the path to it, and counts the rest", () => {
    expect(labels(filterTrace(trace, { errors: true }))).toEqual(["root", "  query c"]);
    expect(filterTrace(trace, { errors: true }).hidden).toEqual({ rows: 3, by: "errors", minMs: null });
  });

  it("never hides an error for being short", () => {
    expect(labels(filterTrace(trace, { minMs: 0.05 }))).toEqual([
      "root",
      "  query a",
      "  query c",
      "  query d",
    ]);
  });

  it("leaves nothing where nothing failed", () => {
    expect(filterTrace(buildSpanTrace([root]), { errors: true }).rows).toEqual([]);
  });
});

describe("folding", () => {
  const query = (n: number, error?: string) =>
    span({
      ...{ name: `SELECT ${n}`, kind: "CLIENT", from: n * 100, to: n * 100 + 50 + n, spanId: `q${n}` },
      ...{ parentSpanId: "root", ...(error === undefined ? {} : { error }) },
    });
  const root = span({ name: "root", from: 0, to: 2000, spanId: "root" });

  it("puts four and more that are alike into one row with their sum and the longest", () => {
    const { rows } = buildSpanTrace([root, ...[0, 1, 2, 3].map((n) => query(n))]);
    expect(rows[1]).toMatchObject({
      label: "SELECT …",
      count: 4,
      folded: "similar",
      tookMs: 0.206,
      longestMs: 0.053,
    });
    expect(buildSpanTrace([root, ...[0, 1, 2].map((n) => query(n))]).rows).toHaveLength(4);
  });

  it("keeps what failed apart, together only with what failed in the same way", () => {
    const fine = [0, 1, 2, 3].map((n) => query(n));
    const { rows } = buildSpanTrace([
      root,
      ...fine,
      query(4, "locked"),
      ...[5, 6, 7, 8].map((n) => query(n, "gone")),
    ]);
    expect(rows.slice(1).map(({ count, failed, error }) => ({ count, failed, error }))).toEqual([
      { count: 4, failed: 0, error: null },
      { count: 1, failed: 1, error: "locked" },
      { count: 4, failed: 4, error: "gone" },
    ]);
  });
});
