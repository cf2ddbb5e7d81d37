import { describe, expect, it } from "vitest";
import { printableData } from "../../../src/core/foreign-text.ts";
import { filterTrace } from "../../../src/trace/filter.ts";
import { buildSpanTrace } from "../../../src/trace/picture.ts";
import { traceTree } from "../../../src/trace/view/span-tree-view.ts";
import { textWidth } from "../../../src/trace/view/text.ts";
import { checkoutOfManySpans } from "../samples.ts";
import { span } from "../traced-order.ts";

const narrow = { colour: false, width: 80, unicode: true };
const many = checkoutOfManySpans();

describe("a trace of 2,000 spans of another program", () => {
  it("is drawn in a few rows, with every error in sight", () => {
    const text = traceTree(buildSpanTrace(many), narrow);
    expect(text).toMatchInlineSnapshot(`
      "trace 4bf92f3577b34da6a3ce929d0e0e4736 470 ms, 2,000 spans, ✗ 5 errors
      began 2026-03-01 12:00:00.000Z; cart, frontend, mailer

                                                             took
      POST /checkout                    █████████████▐     412 ms
      ├ load cart                       ▉███████████▉      378 ms
      │ ├ 993 × SELECT price WHERE sk…  ▓▓▓▓▓▓▓▓▓▓▓▓▓      149 ms  sum, max 180 µs
      │ ├ 996 × GET /items/…            ▓▓▓▓▓▓▓▓▓▓▓▓▓      149 ms  sum, max 180 µs
      │ ├ SELECT price WHERE sku = 100  ╳                  140 µs  ✗ deadlock: row 10…
      │ ├ SELECT price WHERE sku = 700      ╳              120 µs  ✗ deadlock: row 70…
      │ └ SELECT price WHERE sku = 15…           ╳         140 µs  ✗ deadlock: row 15…
      ├ GET /rates ×3                                ╳    11.0 ms  ✗ 2 of 3: 503: Ser…
      ├ send checkout.done                           ▒     1.0 ms
      │ └ process checkout.done                       ·▐  69.0 ms
      └ render receipt                                 ▕   2.0 ms  parent not received

      ·· waited 56.0 ms (12%)   ██ worked 105 ms (22%)   ▓▓ calls 301 ms (64%)
      ╳╳ failed 6.4 ms (1%)   ▒▒ storing 1.0 ms (<1%)
      32% of the time: GET /items/…, 996 together
      SELECT price WHERE sku = 100: deadlock: row 100 is locked
      SELECT price WHERE sku = 700: deadlock: row 700 is locked
      SELECT price WHERE sku = 1500: deadlock: row 1500 is locked
      rows of several alike: --all shows each"
    `);
  });

  it("has a row for each span where all are asked for", () => {
    const { rows } = buildSpanTrace(many, { all: true });
    expect(rows).toHaveLength(2000);
    expect(new Set(rows.flatMap(({ spanIds }) => spanIds)).size).toBe(2000);
  });

  it("names what took the time, the wait in the queue between two services among it", () => {
    const queue = [
      span({ name: "send", kind: "PRODUCER", from: 0, to: 1000, spanId: "01" }),
      span({
        ...{ name: "process", kind: "CONSUMER", from: 9000, to: 10_000, spanId: "02", parentSpanId: "01" },
        resource: { "service.name": "mailer" },
      }),
    ];
    expect(traceTree(buildSpanTrace(queue), narrow)).toMatchInlineSnapshot(`
      "trace 4bf92f3577b34da6a3ce929d0e0e4736 10.0 ms, 2 spans, 1 service
      began 2026-03-01 12:00:00.000Z; mailer

                                                                       took  service
      send       ▒▒▒▒▒                                               1.0 ms
      └ process       ········································█████  9.0 ms  mailer

      ·· waited 8.0 ms (80%)   ██ worked 1.0 ms (10%)   ▒▒ storing 1.0 ms (10%)
      80% of the time: waiting for mailer"
    `);
  });
});

describe("any trace", () => {
  const nasty = [
    span({ name: "\u001b[2J\u202egone", from: 0, to: 1000, spanId: "01", error: "bad\n: \u0007bell" }),
    span({ name: "注文を処理する".repeat(9), from: 100, to: 900, spanId: "02", parentSpanId: "01" }),
    span({
      name: "🚚 deliver",
      from: 200,
      to: 800,
      spanId: "03",
      parentSpanId: "02",
      error: "配達できません".repeat(9),
    }),
    ...Array.from({ length: 60 }, (_, depth) =>
      span({
        ...{ name: `call ${"x".repeat(90)}`, from: 300, to: 700, spanId: `1${depth}` },
        parentSpanId: depth === 0 ? "03" : `1${depth - 1}`,
        resource: { "service.name": "s".repeat(99), "service.instance.id": `i${depth}`.repeat(40) },
      }),
    ),
  ];

  const views = [many, nasty].flatMap((spans) => {
    const trace = buildSpanTrace(spans);
    // As the terminal hands it to the view.
    return [{}, { critical: true }, { errors: true }].map((filter) =>
      printableData(filterTrace(trace, filter)),
    );
  });

  it.each([80, 100, 140, 200])("fits into %d columns, whatever it says and however deep it is", (width) => {
    for (const view of views) {
      const text = traceTree(view, { ...narrow, width });
      expect(Math.max(...text.split("\n").map(textWidth))).toBeLessThanOrEqual(width);
      expect(text.replaceAll("\n", "")).not.toMatch(/\p{C}/u);
      expect(traceTree(view, { ...narrow, width, unicode: false })).toMatch(
        new RegExp(`^([ -~]{0,${width}}\n?)*$`),
      );
    }
  });

  it("says where a span's parent was not received", () => {
    const orphan = span({ name: "lost", from: 5, to: 9, spanId: "02", parentSpanId: "ff" });
    const text = traceTree(
      buildSpanTrace([span({ name: "root", from: 0, to: 10, spanId: "01" }), orphan]),
      narrow,
    );
    expect(text).toMatch(/└ lost .+ parent not received\n/);
  });
});
