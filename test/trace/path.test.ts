import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import { type Span, spanKinds } from "../../src/telemetry/tracing/span.ts";
import { mergeTrace } from "../../src/trace/merge.ts";
import { findCriticalPath } from "../../src/trace/path.ts";
import { buildOrderTrace, buildSpanTrace } from "../../src/trace/picture.ts";
import { shipped } from "./samples.ts";
import { span } from "./traced-order.ts";

/** Spans of any shape: parents that are missing, circles, children that end long after their parents. */
const anySpans: fc.Arbitrary<Span[]> = fc
  .array(
    fc.record({
      parent: fc.option(fc.nat(40), { nil: null }),
      from: fc.nat(1_000_000),
      took: fc.nat(300_000),
      kind: fc.constantFrom(...spanKinds),
      name: fc.constantFrom("a", "b", "c 1", "c 2"),
      failed: fc.boolean(),
      process: fc.nat(3),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((made) =>
    made.map(({ parent, from, took, kind, name, failed, process }, index) =>
      span({
        ...{ name, kind, from, to: from + took, spanId: String(index) },
        parentSpanId: parent === null ? null : String(parent),
        resource: { "service.instance.id": `p${process}` },
        ...(failed ? { error: "broken" } : {}),
      }),
    ),
  );

describe("the critical path", () => {
  it("has steps that follow on one another and sum to the whole time, whatever the spans", () => {
    fc.assert(
      fc.property(anySpans, (spans) => {
        const { roots, fromNs, toNs, endNs } = mergeTrace(undefined, spans);
        expect(endNs).toBe(toNs);
        const steps = findCriticalPath(roots, { fromNs, toNs });
        let at = fromNs;
        for (const step of steps) {
          expect(step.fromNs).toBe(at);
          expect(step.toNs).toBeGreaterThan(step.fromNs);
          at = step.toNs;
        }
        expect(at).toBe(toNs);
        expect(steps.reduce((sum, step) => sum + step.toNs - step.fromNs, 0)).toBe(toNs - fromNs);
      }),
    );
  });

  it("is shared out among the rows without a rest, folded or not", () => {
    fc.assert(
      fc.property(anySpans, fc.boolean(), (spans, all) => {
        const { rows, criticalPath, totalMs } = buildSpanTrace(spans, { all });
        const { waitedMs, workedMs, calledMs, failedMs, storingMs, unknownMs } = criticalPath;
        const kinds = waitedMs + workedMs + calledMs + failedMs + storingMs + unknownMs;
        expect(kinds).toBeCloseTo(totalMs, 6);
        const told = rows.reduce((sum, { criticalMs }) => sum + criticalMs, 0);
        expect(told).toBeLessThanOrEqual(totalMs + 1e-6);
        expect(told + unknownMs).toBeGreaterThanOrEqual(totalMs - 1e-6);
      }),
    );
  });

  it("shows every failed span in a row that says so, and every span in one row", () => {
    fc.assert(
      fc.property(anySpans, (spans) => {
        const { rows } = buildSpanTrace(spans);
        const ids = rows.flatMap(({ spanIds }) => spanIds);
        expect(ids.toSorted()).toEqual(spans.map(({ spanId }) => spanId).sort());
        const inError = rows.filter(({ error }) => error !== null).flatMap(({ spanIds }) => spanIds);
        const failed = spans.filter(({ status }) => status.code === "ERROR").map(({ spanId }) => spanId);
        expect(failed.filter((id) => !inError.includes(id))).toEqual([]);
      }),
    );
  });

  it("ends with the order, though the answer to its request came later", () => {
    const late = shipped.spans.map((each) =>
      each.name === "POST /orders" ? { ...each, endNs: each.endNs + 50_000_000n } : each,
    );
    const { criticalPath, toMs } = buildOrderTrace({ flow: orderFlow, ...shipped, spans: late, nowUs: 0 });
    expect(toMs).toBe(50.25);
    expect(criticalPath).toMatchObject({ fromMs: -0.9, toMs: 12.3, totalMs: 13.2 });
  });

  it("takes of what runs side by side the one that ends last", () => {
    const side = (name: string, from: number, to: number) =>
      span({ name, from, to, spanId: name, parentSpanId: "root" });
    const spans = [
      span({ name: "root", from: 0, to: 100, spanId: "root" }),
      ...[side("early", 0, 40), side("short", 50, 60), side("long", 45, 90)],
    ];
    const path = buildSpanTrace(spans).rows.map(({ label, criticalMs }) => [label, criticalMs]);
    expect(path).toEqual([
      ["root", 0.015],
      ["early", 0.04],
      ["long", 0.045],
      ["short", 0],
    ]);
  });
});
