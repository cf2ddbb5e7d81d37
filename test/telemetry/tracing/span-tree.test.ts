import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Span, spanKinds } from "../../../src/telemetry/tracing/span.ts";
import { buildSpanTree, type SpanNode } from "../../../src/telemetry/tracing/span-tree.ts";
import { buildSpanTrace } from "../../../src/trace/picture.ts";
import { span, traceId } from "../../trace/traced-order.ts";

const linkTo = (spanId: string) => ({ traceId, spanId, attributes: {} });

const made = (spanId: string, parentSpanId: string | null, from = 0) =>
  span({ name: spanId, spanId, parentSpanId, from, to: from + 10 });

const linked = (spanId: string, parentSpanId: string | null, ...links: string[]) => ({
  ...made(spanId, parentSpanId),
  links: links.map(linkTo),
});

const of = (process: string) => ({ resource: { "service.instance.id": process } });

const parents = (nodes: readonly SpanNode[]) =>
  Object.fromEntries(nodes.map((node) => [node.span.name, node.parent?.span.name ?? null]));

const missing = (nodes: readonly SpanNode[]) =>
  nodes.filter(({ parentMissing }) => parentMissing).map((node) => node.span.name);

const inCircle = (nodes: readonly SpanNode[]) =>
  nodes.filter(({ parentInCircle }) => parentInCircle).map((node) => node.span.name);

describe("buildSpanTree", () => {
  it("hangs children below their parents, in the order of their start, however they came", () => {
    const nodes = buildSpanTree([made("late", "root", 5), made("early", "root", 2), made("root", null)]);
    expect(nodes[0]?.children.map(({ span: { spanId } }) => spanId)).toEqual(["early", "late"]);
  });

  it("counts a span that was sent twice once", () => {
    expect(buildSpanTree([made("a", null), made("a", null)])).toHaveLength(1);
    expect(
      buildSpanTree([made("a", null), made("a", null, 1), made("a", null), made("a", null, 1)]),
    ).toHaveLength(2);
  });

  it("marks what names a parent that is not there", () => {
    const [orphan] = buildSpanTree([made("a", "gone")]);
    expect(orphan).toMatchObject({ parentMissing: true, parentInCircle: false, parent: undefined });
  });

  it("takes a link for a parent where that is missing", () => {
    const nodes = buildSpanTree([linked("consumer", "gone", "producer"), made("producer", null)]);
    expect(parents(nodes)).toEqual({ producer: null, consumer: "producer" });
    expect(missing(nodes)).toEqual([]);
  });

  // A root that linked to a span below it was hung there, and both were said to miss their parents.
  it("takes no link to a span's own descendant for its parent", () => {
    const nodes = buildSpanTree([
      linked("root", null, "child"),
      linked("child", "root", "root"),
      made("grandchild", "child"),
    ]);
    expect(parents(nodes)).toEqual({ root: null, child: "root", grandchild: "child" });
    expect([missing(nodes), inCircle(nodes)]).toEqual([[], []]);
  });

  it("passes over a link that would close a circle for one that does not", () => {
    const nodes = buildSpanTree([linked("a", null, "b", "a", "other"), made("b", "a"), made("other", null)]);
    expect(parents(nodes)).toEqual({ a: "other", b: "a", other: null });
  });

  it("cuts a circle of links, or of links and parents, above what began first", () => {
    const links = buildSpanTree([{ ...linked("x", null, "y"), startNs: 1n }, linked("y", null, "x")]);
    expect(parents(links)).toEqual({ x: null, y: "x" });
    const both = buildSpanTree([linked("m", null, "n"), made("n", "o"), made("o", "m")]);
    expect(parents(both)).toEqual({ m: null, n: "o", o: "m" });
    expect([...missing(links), ...missing(both), ...inCircle(links), ...inCircle(both)]).toEqual([]);
  });

  // Each member that was cut off was said to have a parent that was not received.
  it("cuts parents that go in a circle, loses nobody, and says that it is one", () => {
    const nodes = buildSpanTree([
      ...[made("a", "c"), made("b", "a", 1), made("c", "b", 2), made("self", "self"), made("below", "b", 3)],
    ]);
    expect(parents(nodes)).toEqual({ a: null, self: null, b: "a", c: "b", below: "b" });
    expect(inCircle(nodes)).toEqual(["a", "self"]);
    expect(missing(nodes)).toEqual([]);
  });

  it("keeps a client's span and the server's that continues it under the same id, each with its own children", () => {
    const client = { ...made("x", "root", 1), ...{ name: "client", kind: "CLIENT" as const, ...of("shop") } };
    const server = { ...made("x", "root", 2), ...{ name: "server", kind: "SERVER" as const, ...of("psp") } };
    const nodes = buildSpanTree([
      { ...made("query", "x", 3), ...{ kind: "CLIENT" as const, ...of("psp") } },
      ...[server, client, { ...made("root", null, 0), ...of("shop") }],
      { ...made("dns", "x", 2), ...of("shop") },
      { ...made("from elsewhere", "x", 2), ...of("?") },
    ]);
    expect(parents(nodes)).toEqual({
      ...{ root: null, client: "root", server: "client", query: "server", dns: "client" },
      "from elsewhere": "server",
    });
    expect(missing(nodes)).toEqual([]);
  });

  it("hangs a server that names its own shared id as its parent under the client", () => {
    const client = { ...made("x", null, 1), ...{ name: "client", kind: "CLIENT" as const } };
    const nodes = buildSpanTree([
      { ...made("x", "x", 2), ...{ name: "server", kind: "SERVER" as const } },
      client,
    ]);
    expect(parents(nodes)).toEqual({ client: null, server: "client" });
  });

  it("gives the children of two spans with one id to the one that ran when they began", () => {
    const spans = [
      { ...made("x", null, 0), ...{ name: "first" } },
      { ...made("x", null, 20), ...{ name: "second" } },
    ];
    const nodes = buildSpanTree([...spans, made("early", "x", 5), made("late", "x", 25)]);
    expect(parents(nodes)).toEqual({ first: null, second: null, early: "first", late: "second" });
  });

  it("is never deeper than what walks it can recurse", () => {
    const chain = Array.from({ length: 50_000 }, (_, n) => made(String(n), n === 0 ? null : String(n - 1)));
    const nodes = buildSpanTree(chain.reverse());
    const depthOf = (node: SpanNode | undefined): number => (node ? 1 + depthOf(node.parent) : 0);
    expect(nodes).toHaveLength(50_000);
    expect(Math.max(...nodes.slice(-2000).map(depthOf))).toBeLessThanOrEqual(201);
  });

  it("takes no longer than it must for 20,000 spans, whatever their ids, links and parents", {
    timeout: 60_000,
  }, () => {
    const many = <T>(make: (n: number) => T) => Array.from({ length: 20_000 }, (_, n) => make(n));
    for (const spans of [
      many((n) => made("same", "same", n)),
      many((n) => made(String(n), String((n + 1) % 20_000), n)),
      many((n) => linked(String(n), null, String((n + 1) % 20_000), "0", "1")),
    ])
      expect(buildSpanTree(spans)).toHaveLength(20_000);
  });
});

/** Spans of any shape: ids that several share, parents that are missing, circles of parents and links. */
const anySpans: fc.Arbitrary<Span[]> = fc.array(
  fc
    .record({
      id: fc.nat(12),
      parent: fc.option(fc.nat(14), { nil: null }),
      links: fc.array(fc.nat(14), { maxLength: 3 }),
      from: fc.nat(30),
      took: fc.nat(20),
      kind: fc.constantFrom(...spanKinds),
      process: fc.nat(2),
    })
    .map(({ id, parent, links, from, took, kind, process }) =>
      span({
        ...{
          name: `${id}`,
          kind,
          from,
          to: from + took,
          spanId: `s${id}`,
          links: links.map((n) => linkTo(`s${n}`)),
        },
        ...{ parentSpanId: parent === null ? null : `s${parent}`, ...of(`p${process}`) },
      }),
    ),
  { minLength: 1, maxLength: 25 },
);

const text = (each: Span) =>
  JSON.stringify({ ...each, startNs: String(each.startNs), endNs: String(each.endNs) });

describe("any spans", () => {
  it("make a tree in which each is found once, without a circle, parents first", () => {
    const property = fc.property(anySpans, (spans) => {
      const nodes = buildSpanTree(spans);
      expect(nodes.map((node) => text(node.span)).sort()).toEqual([...new Set(spans.map(text))].sort());
      for (const [index, node] of nodes.entries()) {
        expect(node.parent ? nodes.indexOf(node.parent) : -1).toBeLessThan(index);
        expect(node.parent?.children ?? [node]).toContain(node);
      }
    });
    fc.assert(property, { numRuns: 500 });
  });

  it("make the same tree in whatever order they came", () => {
    const shuffled = anySpans.chain((spans) =>
      fc.tuple(fc.constant(spans), fc.shuffledSubarray(spans, { minLength: spans.length })),
    );
    const shape = (spans: readonly Span[]) =>
      buildSpanTree(spans).map(({ span: own, parent }) => [text(own), parent && text(parent.span)]);
    fc.assert(
      fc.property(shuffled, ([spans, others]) => {
        expect(shape(others)).toEqual(shape(spans));
      }),
      { numRuns: 500 },
    );
  });

  it("miss a parent only where nobody received it, and no member of a circle does", () => {
    const property = fc.property(anySpans, (spans) => {
      const received = new Set(spans.map(({ spanId }) => spanId));
      for (const { span: own, parent, parentMissing, parentInCircle } of buildSpanTree(spans)) {
        const names = own.parentSpanId;
        expect(parentMissing).toBe(parent === undefined && names !== null && !received.has(names));
        expect(parentInCircle).toBe(parent === undefined && names !== null && received.has(names));
      }
    });
    fc.assert(property, { numRuns: 500 });
  });

  it("are all shown, each in one row", () => {
    const property = fc.property(anySpans, fc.boolean(), (spans, all) => {
      const ids = buildSpanTrace(spans, { all }).rows.flatMap(({ spanIds }) => spanIds);
      const distinct = new Map(spans.map((each) => [text(each), each.spanId]));
      expect(ids.sort()).toEqual([...distinct.values()].sort());
    });
    fc.assert(property, { numRuns: 500 });
  });
});
