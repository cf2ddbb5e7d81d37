import { breakerOf } from "../telemetry/tracing/span-facts.ts";
import { retryRuns } from "./fold.ts";
import { spanOf, type TraceNode } from "./node.ts";
import { overlay, type Segment, type SegmentKind } from "./segment.ts";

/**
 * Refines a node's segments by its children: holds of a circuit breaker, pauses between the attempts of a call (shown
 * as waits) and, for an event, the calls to other systems.
 */
export function tellInside(node: TraceNode): void {
  const working: SegmentKind[] = ["worked", "refused"];
  const isPending = node.of.is === "pending";
  const own: SegmentKind[] = isPending ? ["waited", "failed"] : [...working, "failed"];
  node.segments = overlay(node.segments, holdsIn(node), own);
  for (const run of retryRuns(node.children)) {
    for (const again of run.slice(1)) again.isRetry = true;
    node.segments = overlay(node.segments, pausesOf(run), working);
  }
  if (node.of.is === "span") return;
  node.segments = overlay(node.segments, callsIn(node), isPending ? ["waited"] : working);
}

/** The breaker waits among a node's direct children. */
const holdsIn = (node: TraceNode): Segment[] =>
  node.children.flatMap((child) => {
    const span = spanOf(child);
    return span && breakerOf(span) !== undefined ? child.segments : [];
  });

/** The pauses between consecutive attempts. */
export const pausesOf = (run: readonly TraceNode[]): Segment[] =>
  run
    .slice(1)
    .map(({ fromNs }, index) => ({ as: "waited", fromNs: run[index]?.toNs ?? fromNs, toNs: fromNs }));

function callsIn(node: TraceNode): Segment[] {
  return node.children.flatMap((child) => {
    const span = spanOf(child);
    if (!span) return [];
    if (span.kind !== "CLIENT") return callsIn(child);
    return child.segments.filter(({ as }) => as === "called" || as === "failed");
  });
}
