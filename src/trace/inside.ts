import { breakerOf } from "../telemetry/tracing/span-facts.ts";
import { retryRuns } from "./fold.ts";
import { spanOf, type TraceNode } from "./node.ts";
import { overlay, type Segment, type SegmentKind } from "./segment.ts";

/**
 * Refines a node's own time by what its children tell: waits for a circuit breaker, the pauses between the attempts of a
 * call, which are waits as well, and in the work of an event the calls of other systems.
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

/** The waits for a breaker right below it. */
const holdsIn = (node: TraceNode): Segment[] =>
  node.children.flatMap((child) => {
    const span = spanOf(child);
    return span && breakerOf(span) !== undefined ? child.segments : [];
  });

/** The time between one attempt and the next. */
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
