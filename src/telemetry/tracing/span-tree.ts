import type { Span, SpanKind } from "./span.ts";
import { processOf } from "./span-facts.ts";
import { contentOf, distinctSpans, idOf } from "./span-reading.ts";

/**
 * A span in the tree. `parentMissing`: the span names a parent that was not received. `parentInCircle`: the span names
 * a parent that is the span itself or one of its descendants, which is an error in the data.
 */
export type SpanNode = {
  span: Span;
  parent: SpanNode | undefined;
  children: SpanNode[];
  parentMissing: boolean;
  parentInCircle: boolean;
};

/**
 * A span deeper than this is moved up to an ancestor within the limit, so that code that walks the tree may recurse.
 */
const maxDepth = 200;

/**
 * The spans of one or more traces as nodes, parents before children and siblings by start time, in whatever order the
 * spans came. A span received twice counts once; two different spans with one id both count. A span whose parent was
 * not received becomes a child of a span that it links to, unless that is its own descendant. A circle of parents is
 * cut above its member that started first.
 */
export function buildSpanTree(spans: readonly Span[]): SpanNode[] {
  const nodes = distinctSpans(spans).map(createNode).sort(byStart);
  const byId = groupById(nodes);
  const forest = new SpanForest<SpanNode>();
  const adopt = (node: SpanNode, candidates: readonly SpanNode[]): void => {
    node.parent ??= candidates.find((candidate) => forest.attach(node, candidate));
  };
  // Latest start first: in a circle, the span that started first comes last and so stays without a parent.
  const backwards = nodes.toReversed();
  for (const node of backwards) adopt(node, parentsOf(node, byId));
  for (const node of backwards) if (!node.parent) adopt(node, linkedTo(node, byId));
  for (const node of nodes) settleParent(node, byId);
  const depths = settleDepths(nodes);
  const sorted = nodes.sort((a, b) => (depths.get(a) ?? 0) - (depths.get(b) ?? 0));
  for (const node of sorted) node.parent?.children.push(node);
  return sorted;
}

type ById = ReadonlyMap<string, readonly SpanNode[]>;

const createNode = (span: Span): SpanNode => ({
  span,
  parent: undefined,
  children: [],
  parentMissing: false,
  parentInCircle: false,
});

const compare = <T extends bigint | string>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * By start time. Ties are broken by id, longer duration and in the end by all content, so that the result does not
 * depend on the order of arrival.
 */
const byStart = ({ span: a }: SpanNode, { span: b }: SpanNode): number =>
  compare(a.startNs, b.startNs) ||
  compare(idOf(a), idOf(b)) ||
  compare(b.endNs, a.endNs) ||
  compare(a.kind, b.kind) ||
  compare(a.name, b.name) ||
  compare(contentOf(a), contentOf(b));

function groupById(nodes: readonly SpanNode[]): ById {
  const groups = new Map<string, SpanNode[]>();
  for (const node of nodes) {
    const id = idOf(node.span);
    const group = groups.get(id);
    if (group) group.push(node);
    else groups.set(id, [node]);
  }
  return groups;
}

/** A span of this kind sends to another program. */
const isSending = (kind: SpanKind): boolean => kind === "CLIENT" || kind === "PRODUCER";
/** A span of this kind handles what another program sent. */
const isReceiving = (kind: SpanKind): boolean => kind === "SERVER" || kind === "CONSUMER";

/**
 * The spans that may be the parent of `node`, the likeliest first: those with the parent id that it names, or, for a
 * server that continues its client's span under the same id (https://github.com/openzipkin/b3-propagation#shared), that
 * client's span.
 */
function parentsOf(node: SpanNode, byId: ById): readonly SpanNode[] {
  const { traceId, parentSpanId, kind } = node.span;
  const twins = byId.get(idOf(node.span)) ?? [];
  if (isReceiving(kind) && twins.length > 1) {
    const clients = twins.slice(0, mostCandidates).filter(({ span }) => isSending(span.kind));
    if (clients.length > 0) return likeliest(node, clients);
  }
  if (parentSpanId === null) return [];
  return likeliest(node, byId.get(idOf({ traceId, spanId: parentSpanId })) ?? []);
}

const linkedTo = (node: SpanNode, byId: ById): SpanNode[] =>
  node.span.links.flatMap((link) => likeliest(node, byId.get(idOf(link)) ?? []));

/**
 * More spans than this with one id are not one span shared by client and server; any of them is then as good a parent
 * as another.
 */
const mostCandidates = 8;

/**
 * Orders the candidates. For a receiving span, a parent that sends comes first, then one of the same process; for any
 * other span, one of the same process comes first, then one that does not send. Among equals, a parent that was running
 * when the span started comes first.
 */
function likeliest(node: SpanNode, candidates: readonly SpanNode[]): readonly SpanNode[] {
  if (candidates.length < 2) return candidates;
  const { span } = node;
  const answers = isReceiving(span.kind);
  const ownProcess = processOf(span);
  const rank = ({ span: above }: SpanNode): number => {
    const isOtherSide = isSending(above.kind) === answers;
    const isNear = processOf(above) === ownProcess;
    const isThen = above.startNs <= span.startNs && span.startNs <= above.endNs;
    const [first, second] = answers ? [isOtherSide, isNear] : [isNear, isOtherSide];
    return (first ? 0 : 4) + (second ? 0 : 2) + (isThen ? 0 : 1);
  };
  const ranked = candidates.slice(0, mostCandidates).map((above) => ({ above, at: rank(above) }));
  return ranked.sort((a, b) => a.at - b.at).map(({ above }) => above);
}

function settleParent(node: SpanNode, byId: ById): void {
  const { traceId, parentSpanId } = node.span;
  if (node.parent || parentSpanId === null) return;
  node.parentInCircle = byId.has(idOf({ traceId, spanId: parentSpanId }));
  node.parentMissing = !node.parentInCircle;
}

function settleDepths(nodes: readonly SpanNode[]): Map<SpanNode, number> {
  const depths = new Map<SpanNode, number>();
  for (const node of nodes) {
    const line: SpanNode[] = [];
    for (let at: SpanNode | undefined = node; at && !depths.has(at); at = at.parent) line.push(at);
    for (const each of line.reverse()) depths.set(each, settleDepth(each, depths));
  }
  return depths;
}

function settleDepth(node: SpanNode, depths: ReadonlyMap<SpanNode, number>): number {
  const above = node.parent && depths.get(node.parent);
  if (above === undefined) return 0;
  if (above === maxDepth) node.parent = node.parent?.parent;
  return Math.min(maxDepth, above + 1);
}

/**
 * A union-find structure: joins trees by their roots and refuses to close a circle. Each step takes almost constant
 * time.
 */
export class SpanForest<T> {
  /** Maps a node to one of its ancestors; each lookup moves that ancestor closer to the root. */
  readonly #above = new Map<T, T>();

  /**
   * Puts the tree whose root is `root` below `parent`. Returns false, and does nothing, if `parent` is in that tree.
   */
  attach(root: T, parent: T): boolean {
    const top = this.#topOf(parent);
    if (top === root) return false;
    this.#above.set(root, top);
    return true;
  }

  #topOf(node: T): T {
    let top = node;
    for (let above = this.#above.get(top); above !== undefined; above = this.#above.get(top)) top = above;
    // Path compression: the nodes on the way now point directly to the root.
    for (let at = node; at !== top; ) {
      const above = this.#above.get(at) ?? top;
      this.#above.set(at, top);
      at = above;
    }
    return top;
  }
}
