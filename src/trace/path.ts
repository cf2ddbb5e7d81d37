import type { TraceNode } from "./node.ts";
import { cutSegments, type SegmentKind } from "./segment.ts";

/** A part of the critical path: the kind of time, and the node that spent it. */
export type PathStep = { node: TraceNode | undefined; as: SegmentKind; fromNs: number; toNs: number };

type Edges = { fromNs: number; toNs: number };

/**
 * Finds the critical path by walking back from the end: at each moment, the last node that had to end before the next
 * step could start. A node's own time is divided by its segments; a gap between a node's end and the start of what
 * followed from it counts as a wait of the latter. Steps are in order and without gaps, so they add up to `toNs -
 * fromNs`.
 */
export function findCriticalPath(roots: readonly TraceNode[], { fromNs, toNs }: Edges): PathStep[] {
  const ends = new Map<TraceNode, number>();
  for (const root of roots) settleEnd(root, ends);
  const backwards: PathStep[] = [];
  const walk = new PathWalk(ends, backwards);
  walk.into({ node: undefined, children: roots }, { fromNs, toNs });
  return backwards.reverse();
}

/** Stores the end of a node including all its descendants. */
function settleEnd(node: TraceNode, ends: Map<TraceNode, number>): number {
  let end = node.toNs;
  for (const child of node.children) end = Math.max(end, settleEnd(child, ends));
  ends.set(node, end);
  return end;
}

type Visited = { node: TraceNode | undefined; children: readonly TraceNode[] };

class PathWalk {
  readonly #ends: ReadonlyMap<TraceNode, number>;
  readonly #backwards: PathStep[];

  constructor(ends: ReadonlyMap<TraceNode, number>, backwards: PathStep[]) {
    this.#ends = ends;
    this.#backwards = backwards;
  }

  into({ node, children }: Visited, { fromNs, toNs }: Edges): void {
    let at = toNs;
    let next: TraceNode | undefined;
    for (const child of this.#latestFirst(children, { fromNs, toNs })) {
      if (child.toNs > at) continue;
      this.#own({ fromNs: child.toNs, toNs: at }, node, next);
      this.into({ node: child.node, children: child.node.children }, child);
      at = child.fromNs;
      next = child.node;
    }
    this.#own({ fromNs, toNs: at }, node, next);
  }

  #latestFirst(children: readonly TraceNode[], edges: Edges): (Edges & { node: TraceNode })[] {
    return children
      .map((node) => ({
        node,
        fromNs: Math.max(edges.fromNs, node.fromNs),
        toNs: Math.min(edges.toNs, this.#ends.get(node) ?? node.toNs),
      }))
      .filter(({ fromNs, toNs }) => fromNs < toNs)
      .sort((a, b) => b.toNs - a.toNs || rank(b.node) - rank(a.node) || a.fromNs - b.fromNs);
  }

  #own({ fromNs, toNs }: Edges, node: TraceNode | undefined, next: TraceNode | undefined): void {
    const ownEnd = Math.min(toNs, Math.max(fromNs, node?.toNs ?? fromNs));
    const left = node ? "waited" : "unknown";
    if (ownEnd < toNs) this.#backwards.push({ node: next ?? node, as: left, fromNs: ownEnd, toNs });
    if (!node || fromNs >= ownEnd) return;
    for (const part of cutSegments(node.segments, fromNs, ownEnd).reverse()) {
      const isPause = part.as === "waited" && next?.isRetry && part.toNs === next.fromNs;
      this.#backwards.push({ node: isPause ? next : node, ...part });
    }
  }
}

/** When two children end together, the event takes precedence over the span: the order waited for the event. */
const rank = ({ of }: TraceNode): number => (of.is === "span" ? 0 : 1);
