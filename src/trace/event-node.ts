import { divideHop, type TimelineHop } from "../flow/timeline.ts";
import type { Hop } from "../telemetry/hop.ts";
import type { Span } from "../telemetry/tracing/span.ts";
import type { ClockShift } from "../telemetry/tracing/span-clocks.ts";
import { breakerOf, isFailed, isSettling, serviceOf } from "../telemetry/tracing/span-facts.ts";
import type { SpanNode } from "../telemetry/tracing/span-tree.ts";
import { nsSince, placeSpan } from "./clocks.ts";
import { type CausedEvent, deliveriesOf, type HopSpans, isIdle, settlingOf } from "./hop-spans.ts";
import type { KnownOrder } from "./merge.ts";
import { createNode, type TraceNode } from "./node.ts";
import { overlay, type Segment, type SegmentKind } from "./segment.ts";

/** Places times on the trace's axis: its zero point, and the shift of each process's clock. */
export type Placing = { zeroNs: bigint; clocks: ReadonlyMap<string, ClockShift> };

/**
 * An event as a node: from the storing of its cause until its own storing. Failed earlier deliveries lie within its
 * wait. The first event begins when its publisher began to store it, if a span tells that.
 */
export function eventNode(
  { logged, cause, spans, hop }: CausedEvent & { spans: HopSpans; hop: TimelineHop },
  placing: Placing,
): TraceNode {
  const toNs = nsSince(logged.storedAtUs, placing.zeroNs);
  const own = cause ? causedSegments({ logged, cause }, spans, placing) : storingOf(spans, toNs, placing);
  const kinds: SegmentKind[] = ["waited", "unknown"];
  const failed = spans.failed.map(({ span }): Segment => ({ as: "failed", ...placeSpan(span, placing) }));
  const segments = overlay(own, failed, kinds);
  const fromNs = Math.min(toNs, segments[0]?.fromNs ?? toNs);
  return createNode({ is: "event", hop }, { fromNs, toNs, segments: markRefused(segments, hop) });
}

function storingOf({ publish }: HopSpans, toNs: number, placing: Placing): Segment[] {
  const fromNs = publish ? placeSpan(publish.span, placing).fromNs : toNs;
  return fromNs < toNs ? [{ as: "storing", fromNs, toNs }] : [];
}

function causedSegments({ logged, cause }: CausedEvent, spans: HopSpans, placing: Placing): Segment[] {
  const fromUs = cause?.storedAtUs ?? logged.storedAtUs;
  const fromNs = nsSince(fromUs, placing.zeroNs);
  const toNs = Math.max(fromNs, nsSince(logged.storedAtUs, placing.zeroNs));
  const told = logged.hop ? shiftHop(logged.hop, placing) : hopOfSpans(spans, placing);
  const { waitedMs, workedMs, heldMs } = divideHop(fromUs, logged.storedAtUs, told);
  if (waitedMs === null || workedMs === null || heldMs === null) return [{ as: "unknown", fromNs, toNs }];
  const receivedNs = fromNs + Math.round(waitedMs * 1e6);
  const finishedNs = receivedNs + Math.round((workedMs + heldMs) * 1e6);
  const segments: Segment[] = [
    { as: "waited", fromNs, toNs: receivedNs },
    { as: "worked", fromNs: receivedNs, toNs: finishedNs },
    { as: "storing", fromNs: finishedNs, toNs },
  ];
  const own = segments.filter((each) => each.fromNs < each.toNs);
  return overlay(own, holdsOf(logged.hop, receivedNs), ["worked"]);
}

/** Holds count from the receipt of the delivery, so they shift along with it. */
const holdsOf = (hop: Hop | undefined, receivedNs: number): Segment[] =>
  (hop?.holds ?? []).map(({ fromUs, toUs }) => {
    const fromNs = receivedNs + (fromUs - (hop?.receivedAtUs ?? fromUs)) * 1000;
    return { as: "held", fromNs, toNs: fromNs + (toUs - fromUs) * 1000 };
  });

function shiftHop(hop: Hop, { clocks }: Placing): Hop {
  const shiftUs = Math.round((clocks.get(hop.instance)?.shiftNs ?? 0) / 1000);
  const { receivedAtUs, finishedAtUs } = hop;
  return { ...hop, receivedAtUs: receivedAtUs + shiftUs, finishedAtUs: finishedAtUs + shiftUs };
}

/** The hop header that the program would have written, reconstructed from its spans. */
function hopOfSpans({ process, publish }: HopSpans, placing: Placing): Hop | undefined {
  if (!process) return undefined;
  const zeroUs = Number(placing.zeroNs / 1000n);
  const us = (ns: number) => zeroUs + Math.round(ns / 1000);
  const work = placeSpan(process.span, placing);
  const finishedNs = publish ? placeSpan(publish.span, placing).fromNs : work.toNs;
  const receivedAtUs = us(work.fromNs);
  return {
    ...{ causeSequence: null, service: "", instance: "", attempt: 1 },
    ...{ receivedAtUs, startedAtUs: receivedAtUs, finishedAtUs: us(finishedNs) },
  };
}

const markRefused = (segments: readonly Segment[], { refused }: TimelineHop): Segment[] =>
  segments.map((each) => (refused && each.as === "worked" ? { ...each, as: "refused" } : each));

type Received = { nodes: readonly SpanNode[]; placing: Placing; owners: Map<SpanNode, TraceNode> };

/** The wait of an order under way, with the deliveries that failed so far; undefined for an ended order. */
export function pendingNode(
  { flow, timeline, logged, breaker, next }: KnownOrder,
  { nodes, placing, owners }: Received,
): TraceNode | undefined {
  const { waitingFor, waitingMs } = timeline;
  const last = logged.find(({ sequence }) => sequence === next?.after.sequence);
  if (waitingFor === null || waitingMs === null || !last) return undefined;
  const fromNs = nsSince(Math.max(...logged.map((one) => one.storedAtUs)), placing.zeroNs);
  const toNs = fromNs + Math.round(waitingMs * 1e6);
  const failed = deliveriesOf(flow, last, nodes).filter(
    (one) => !owners.has(one) && isFailed(one.span) && serviceOf(one.span) === waitingFor,
  );
  const pieces = failed.map(({ span }): Segment => ({ as: "failed", ...placeSpan(span, placing) }));
  if (breaker) pieces.push({ as: "held", fromNs: toNs - Math.round(breaker.openForMs * 1e6), toNs });
  const segments = overlay([{ as: "waited", fromNs, toNs }], pieces, ["waited"]);
  const of = { is: "pending", hop: null, heldBy: breaker?.name ?? null } as const;
  const pending = createNode(of, { fromNs, toNs, segments });
  for (const node of failed.flatMap((each) => [each, ...settlingOf(each)])) {
    owners.set(node, pending);
    pending.absorbed.push(node.span);
  }
  return pending;
}

/**
 * A span as a node of its own. When a consumer span begins after its producer span ended, the time between is the wait
 * in the queue and becomes the first segment of the row.
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
