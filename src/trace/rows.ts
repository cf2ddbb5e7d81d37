import { isGatewayCall } from "../telemetry/tracing/span-facts.ts";
import { alone, type Fold, foldSiblings } from "./fold.ts";
import { pausesOf } from "./inside.ts";
import type { KnownOrder } from "./merge.ts";
import { byStart, leastOf, mostOf, spanOf, type TraceNode } from "./node.ts";
import type { TraceRow } from "./row.ts";
import { tellEvent, tellSpans } from "./row-facts.ts";
import { mergeSegments, overlay, type Segment } from "./segment.ts";

export type RowsOptions = {
  /** True to give every span a row of its own. */
  all: boolean;
  order: KnownOrder | undefined;
};

/** Rows in the order of the tree, and the row in which each node is found. */
export type DrawnRows = { rows: TraceRow[]; rowOf: ReadonlyMap<TraceNode, TraceRow> };

/** Draws nodes as rows, alike ones folded unless `all` are asked for. */
export function buildRows(roots: readonly TraceNode[], options: RowsOptions): DrawnRows {
  const rows: TraceRow[] = [];
  const rowOf = new Map<TraceNode, TraceRow>();
  const draw = (nodes: readonly TraceNode[], depth: number): void => {
    for (const fold of foldsOf(nodes, options)) {
      const row = rowFor(fold, depth, options);
      rows.push(row);
      for (const node of [...fold.shells, ...fold.members]) rowOf.set(node, row);
      draw(fold.members.flatMap((member) => member.children).sort(byStart), depth + 1);
    }
  };
  draw(roots, 0);
  return { rows, rowOf };
}

function foldsOf(nodes: readonly TraceNode[], { all }: RowsOptions): Fold[] {
  if (all) return nodes.map(alone);
  return foldSiblings(nodes.filter((node) => !isIdle(node))).map(skipShell);
}

/** A delivery that nobody had anything to do with. */
const isIdle = ({ of }: TraceNode): boolean => of.is === "span" && of.idle;

/** A span that only holds the attempts of one call gives its place to them. */
function skipShell(fold: Fold): Fold {
  const children = fold.members.flatMap((member) => member.children);
  const isShell = fold.members.every((node) => spanOf(node)?.kind === "INTERNAL");
  if (!isShell || !children.every(isCall)) return fold;
  const [inner, ...others] = foldSiblings(children);
  return inner && others.length === 0 ? { ...inner, shells: fold.members } : fold;
}

function isCall(node: TraceNode): boolean {
  const span = spanOf(node);
  return span !== undefined && isGatewayCall(span);
}

function rowFor(fold: Fold, depth: number, options: RowsOptions): TraceRow {
  const { as, members, shells } = fold;
  const [first] = members;
  const own = first && first.of.is !== "span" ? tellEvent(first, options.order) : tellSpans(fold);
  const fromNs = leastOf(members.map((node) => node.fromNs));
  const toNs = mostOf(members.map((node) => node.toNs));
  const took =
    as === "similar" ? members.reduce((sum, node) => sum + node.toNs - node.fromNs, 0) : toNs - fromNs;
  const longest = mostOf(members.map((node) => node.toNs - node.fromNs));
  return {
    depth,
    ...own,
    folded: as,
    fromMs: fromNs / 1e6,
    toMs: toNs / 1e6,
    tookMs: took > 0 || first?.of.is === "span" ? took / 1e6 : null,
    longestMs: as === "similar" ? longest / 1e6 : null,
    segments: segmentsOf(fold).map((each) => ({
      as: each.as,
      fromMs: each.fromNs / 1e6,
      toMs: each.toNs / 1e6,
    })),
    criticalMs: 0,
    spanIds: [...shells, ...members].flatMap((node) =>
      [...node.absorbed, spanOf(node)].flatMap((span) => span?.spanId ?? []),
    ),
  };
}

function segmentsOf({ as, members }: Fold): Segment[] {
  const pauses = as === "attempts" ? overlay(pausesOf(members), holdsAround(members), ["waited"]) : [];
  const sorted = [...members.flatMap((node) => node.segments), ...pauses].sort(
    (a, b) => a.fromNs - b.fromNs || a.toNs - b.toNs,
  );
  return as === null ? sorted : mergeSegments(sorted);
}

/** What an open breaker held between the attempts shows in the work that they are part of. */
const holdsAround = (members: readonly TraceNode[]): Segment[] =>
  [...new Set(members.map(({ parent }) => parent))].flatMap(
    (parent) => parent?.segments.filter(({ as }) => as === "held") ?? [],
  );
