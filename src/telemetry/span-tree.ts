import type { Span } from "./span.ts";

/** A span among its kin. `parentMissing`: it names a parent that nobody has received. */
export type SpanNode = {
  span: Span;
  parent: SpanNode | undefined;
  children: SpanNode[];
  parentMissing: boolean;
};

/** Deeper spans hang on their last ancestor within: what walks the tree may recurse. */
const maxDepth = 200;

/**
 * The spans of one or more traces as nodes, parents before children and siblings by their start. A span received twice
 * counts once; where the parent is missing, a link to a span that is there takes its place. Parents in a circle are cut.
 */
export function buildSpanTree(spans: readonly Span[]): SpanNode[] {
  const byId = new Map<string, SpanNode>();
  for (const span of spans) {
    byId.set(idOf(span), { span, parent: undefined, children: [], parentMissing: false });
  }
  for (const node of byId.values()) {
    node.parent = parentOf(node, byId);
    node.parentMissing = node.parent === undefined && node.span.parentSpanId !== null;
  }
  const depths = settleDepths([...byId.values()]);
  const nodes = [...byId.values()].sort(
    (a, b) => (depths.get(a) ?? 0) - (depths.get(b) ?? 0) || compareNs(a.span.startNs, b.span.startNs),
  );
  for (const node of nodes) node.parent?.children.push(node);
  return nodes;
}

const idOf = ({ traceId, spanId }: { traceId: string; spanId: string }): string => traceId + spanId;

const compareNs = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

function parentOf({ span }: SpanNode, byId: ReadonlyMap<string, SpanNode>): SpanNode | undefined {
  const { traceId, parentSpanId, links } = span;
  const own = parentSpanId === null ? undefined : byId.get(idOf({ traceId, spanId: parentSpanId }));
  return own ?? links.map((link) => byId.get(idOf(link))).find((linked) => linked !== undefined);
}

function settleDepths(nodes: readonly SpanNode[]): Map<SpanNode, number> {
  const depths = new Map<SpanNode, number>();
  for (const node of nodes) {
    for (const each of unsettledLine(node, depths).reverse()) depths.set(each, settleDepth(each, depths));
  }
  return depths;
}

function settleDepth(node: SpanNode, depths: ReadonlyMap<SpanNode, number>): number {
  const above = node.parent && depths.get(node.parent);
  if (above === undefined) return 0;
  if (above === maxDepth) node.parent = node.parent?.parent;
  return Math.min(maxDepth, above + 1);
}

/** From a node up to the first whose parent's depth is known, or that has none; a circle is cut there. */
function unsettledLine(node: SpanNode, depths: ReadonlyMap<SpanNode, number>): SpanNode[] {
  const line = new Set([node]);
  for (let last = node; last.parent && !depths.has(last.parent); last = last.parent) {
    if (line.has(last.parent)) {
      last.parent = undefined;
      last.parentMissing = true;
      break;
    }
    line.add(last.parent);
  }
  return depths.has(node) ? [] : [...line];
}
