import type { Span } from "../telemetry/tracing/span.ts";
import { breakerOf, isFailed, isSettling } from "../telemetry/tracing/span-facts.ts";
import type { SpanNode } from "../telemetry/tracing/span-tree.ts";
import { placeSpan } from "./clocks.ts";
import type { Placing } from "./event-node.ts";
import { isIdle } from "./hop-spans.ts";
import { createNode, type TraceNode } from "./node.ts";
import type { Segment, SegmentKind } from "./segment.ts";

/**
 * A span as a node of its own. A consumer that began after its producer had ended waited in the queue until then: the
 * wait is the first part of its row.
 */
export function spanNode(
  node: SpanNode,
  owners: ReadonlyMap<SpanNode, TraceNode>,
  placing: Placing,
): TraceNode {
  const { span, parent, parentMissing, parentInCircle } = node;
  const { fromNs, toNs } = placeSpan(span, placing);
  const producer = parent?.span.kind === "PRODUCER" ? owners.get(parent) : undefined;
  const since = span.kind === "CONSUMER" && producer ? Math.min(fromNs, producer.toNs) : fromNs;
  const segments: Segment[] = [{ as: kindOf(span), fromNs, toNs }];
  if (since < fromNs) segments.unshift({ as: "waited", fromNs: since, toNs: fromNs });
  const of = { is: "span", span, parentMissing, parentInCircle, idle: isIdle(node) } as const;
  return createNode(of, { fromNs: since, toNs, segments });
}

function kindOf(span: Span): SegmentKind {
  if (isFailed(span)) return "failed";
  if (breakerOf(span) !== undefined) return "held";
  if (span.kind === "PRODUCER") return "storing";
  return span.kind === "CLIENT" && !isSettling(span) ? "called" : "worked";
}
