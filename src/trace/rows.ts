import { calleeIn } from "../telemetry/tracing/span-facts.ts";
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

/** The rows in tree order, and for each node the row that shows it. */
export type DrawnRows = { rows: TraceRow[]; rowOf: ReadonlyMap<TraceNode, TraceRow> };

/** Draws nodes as rows; similar ones are folded into one row unless `all` is set. */
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

/** A delivery in which the service had nothing to do. */
const isIdle = ({ of }: TraceNode): boolean => of.is === "span" && of.idle;

/** Replaces a span that only wraps the attempts of one call by those attempts. */
function skipShell(fold: Fold): Fold {
  const children = fold.members.flatMap((member) => member.children);
  const isShell = fold.members.every((node) => spanOf(node)?.kind === "INTERNAL");
  if (!isShell || !children.every(isCall)) return fold;
  const [inner, ...others] = foldSiblings(children);
  return inner && others.length === 0 ? { ...inner, shells: fold.members } : fold;
}

function isCall(node: TraceNode): boolean {
  const span = spanOf(node);
  return span !== undefined && calleeIn(span) !== undefined;
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

/** The parent's `held` segments: a breaker that held the call between two attempts is recorded there. */
const holdsAround = (members: readonly TraceNode[]): Segment[] =>
  [...new Set(members.map(({ parent }) => parent))].flatMap(
    (parent) => parent?.segments.filter(({ as }) => as === "held") ?? [],
  );

/** A part of a row's time, in ms since the trace's zero point. */
export type TraceSegment = { as: SegmentKind; fromMs: number; toMs: number };

/**
 * A row of the picture. Rows are in tree order: the parent of a row is the nearest row above it with a smaller `depth`.
 * Times are ms since the order's first stored event, or since the start of a trace without an order.
 */
export type TraceRow = {
  depth: number;
  /** An event of the log, the wait of an order under way, or spans that belong to neither. */
  is: "event" | "pending" | "span";
  label: string;
  /** How many deliveries of an event, attempts of a call or similar spans the row stands for. */
  count: number;
  /** How many of these failed. */
  failed: number;
  folded: "attempts" | "similar" | null;
  fromMs: number;
  toMs: number;
  /** `null` for an event without known duration; for similar spans, the sum of their durations. */
  tookMs: number | null;
  /** The longest duration among similar spans; `null` for other rows. */
  longestMs: number | null;
  segments: TraceSegment[];
  /** The stream sequence, for an event. */
  sequence: number | null;
  service: string | null;
  instance: string | null;
  outcome: string | null;
  /** The circuit breaker that held the row's work; `null` when none did. */
  heldBy: string | null;
  /** True when an earlier delivery or attempt failed or was abandoned, according to the log or the spans. */
  retried: boolean;
  /** True for a business refusal, such as a declined payment. */
  refused: boolean;
  /** The error of the last failure. */
  error: string | null;
  /** True when the span names a parent that was not received. */
  parentMissing: boolean;
  /** True when the span names itself or one of its descendants as its parent. */
  parentInCircle: boolean;
  /** The row's own part of the critical path, without its children. */
  criticalMs: number;
  spanIds: string[];
};
