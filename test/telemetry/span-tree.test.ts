import { describe, expect, it } from "vitest";
import { buildSpanTree, type SpanNode } from "../../src/telemetry/span-tree.ts";
import { span, traceId } from "../trace/traced-order.ts";

const made = (spanId: string, parentSpanId: string | null, from = 0) =>
  span({ name: spanId, spanId, parentSpanId, from, to: from + 10 });

const parents = (nodes: readonly SpanNode[]) =>
  Object.fromEntries(nodes.map((node) => [node.span.spanId, node.parent?.span.spanId ?? null]));

describe("buildSpanTree", () => {
  it("hangs children below their parents, in the order of their start, however they came", () => {
    const nodes = buildSpanTree([made("late", "root", 5), made("early", "root", 2), made("root", null)]);
    expect(nodes[0]?.children.map(({ span: { spanId } }) => spanId)).toEqual(["early", "late"]);
  });

  it("counts a span that was sent twice once", () => {
    expect(buildSpanTree([made("a", null), made("a", null)])).toHaveLength(1);
  });

  it("marks what names a parent that is not there", () => {
    const [orphan] = buildSpanTree([made("a", "gone")]);
    expect(orphan).toMatchObject({ parentMissing: true, parent: undefined });
  });

  it("takes a link for a parent where that is missing", () => {
    const linked = { ...made("consumer", "gone"), links: [{ traceId, spanId: "producer", attributes: {} }] };
    const nodes = buildSpanTree([linked, made("producer", null)]);
    expect(parents(nodes)).toEqual({ producer: null, consumer: "producer" });
    expect(nodes.some(({ parentMissing }) => parentMissing)).toBe(false);
  });

  it("cuts parents that go in a circle, and loses nobody", () => {
    const nodes = buildSpanTree([made("a", "c"), made("b", "a"), made("c", "b"), made("self", "self")]);
    expect(nodes).toHaveLength(4);
    const roots = nodes.filter(({ parent }) => parent === undefined);
    expect(roots).toHaveLength(2);
    expect(roots.every(({ parentMissing }) => parentMissing)).toBe(true);
  });

  it("is never deeper than what walks it can recurse", () => {
    const chain = Array.from({ length: 50_000 }, (_, n) => made(String(n), n === 0 ? null : String(n - 1)));
    const nodes = buildSpanTree(chain.reverse());
    const depthOf = (node: SpanNode | undefined): number => (node ? 1 + depthOf(node.parent) : 0);
    expect(nodes).toHaveLength(50_000);
    expect(Math.max(...nodes.slice(-2000).map(depthOf))).toBeLessThanOrEqual(201);
  });
});
