import { isGatewayCall } from "../telemetry/tracing/span-facts.ts";
import { alone, type Fold, foldSiblings } from "./fold.ts";
import { pausesOf } from "./inside.ts";
import type { KnownOrder } from "./merge.ts";
import { byStart, leastOf, mostOf, spanOf, type TraceNode } from "./node.ts";
import { tellEvent, tellSpans } from "./row-facts.ts";
import { mergeSegments, overlay, type Segment, type SegmentKind } from "./segment.ts";

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

/** A segment of a row's time, in ms from the trace's zero. */
export type TraceSegment = { as: SegmentKind; fromMs: number; toMs: number };

/**
 * A row of the picture. Rows stand in the order of a tree: the parent of a row is the nearest above it with a smaller
 * `depth`. Times are ms from the order's first stored event, or from the start of a trace without an order.
 */
export type TraceRow = {
  depth: number;
  /** An event of the log, what an order under way waits for, or spans that nothing else stands for. */
  is: "event" | "pending" | "span";
  label: string;
  /** Deliveries of an event; attempts of a call; spans alike in one row. */
  count: number;
  /** How many of them failed. */
  failed: number;
  folded: "attempts" | "similar" | null;
  fromMs: number;
  toMs: number;
  /** `null` for an event of which nobody tells what led to it; the sum where several alike share the row. */
  tookMs: number | null;
  /** The longest of several alike. */
  longestMs: number | null;
  segments: TraceSegment[];
  /** Of an event. */
  sequence: number | null;
  service: string | null;
  instance: string | null;
  outcome: string | null;
  /** The circuit breaker that it waited for; `null` where it waited for none. */
  heldBy: string | null;
  /** True where a delivery or an attempt before it failed or was given up, whoever tells of it. */
  retried: boolean;
  /** True where the business said no. */
  refused: boolean;
  /** Why the last that failed did so. */
  error: string | null;
  /** True where it names a parent that nobody received. */
  parentMissing: boolean;
  /** True where the parent that it names is itself, or below it. */
  parentInCircle: boolean;
  /** Its part of the critical path, its children's not counted. */
  criticalMs: number;
  spanIds: string[];
};
