import type { Flow } from "../flow/flow.ts";
import type { LoggedEvent } from "../flow/key-log.ts";
import type { KeyState } from "../flow/key-state.ts";
import type { OpenBreaker } from "../flow/process-status.ts";
import type { OrderTimeline } from "../flow/timeline.ts";
import type { Span } from "../telemetry/tracing/span.ts";
import type { ClockShift } from "../telemetry/tracing/span-clocks.ts";
import { textOf } from "../telemetry/tracing/span-facts.ts";
import { attribute } from "../telemetry/tracing/span-names.ts";
import { buildSpanTree, type SpanNode } from "../telemetry/tracing/span-tree.ts";
import { attachNodes, type EventSpans, type Owners, topOf } from "./attach.ts";
import { settleTraceClocks } from "./clocks.ts";
import { eventNode, type Placing, pendingNode, spanNode } from "./event-node.ts";
import { findHopSpans, type HopSpans, settlingOf } from "./hop-spans.ts";
import { tellInside } from "./inside.ts";
import { byStart, leastOf, mostOf, type TraceNode } from "./node.ts";

/** An order as the log tells it. */
export type KnownOrder = {
  flow: Flow;
  /** What it waits for; `null` once it has ended. */
  next: KeyState["next"];
  timeline: OrderTimeline;
  logged: readonly LoggedEvent[];
  /** The open breaker that keeps the next service from working; undefined when none is known. */
  breaker: OpenBreaker | undefined;
};

export type MergedTrace = {
  roots: TraceNode[];
  /** The zero point of all node times, Unix ns. */
  zeroNs: bigint;
  fromNs: number;
  /** Where the last node ends. */
  toNs: number;
  /** Where the order ends; spans may end later. */
  endNs: number;
  clocks: ReadonlyMap<string, ClockShift>;
  /** Spans of the same trace that belong to other orders. */
  foreignSpans: number;
};

/**
 * Merges log and spans into one tree: spans that publish or process an event are absorbed by its node; other spans
 * become nodes below their parents.
 */
export function mergeTrace(order: KnownOrder | undefined, spans: readonly Span[]): MergedTrace {
  const all = buildSpanTree(spans);
  const nodes = order ? nodesOfOrder(order.timeline.orderId, all) : all;
  const told = order ? tellEvents(order, nodes) : [];
  const zeroNs = order ? BigInt(startUs(order.logged)) * 1000n : startNs(nodes);
  const placing: Placing = { zeroNs, clocks: settleTraceClocks(told, nodes, zeroNs) };
  const owners: Owners = new Map();
  const events = told.map((one) => absorb(eventNode(one, placing), one.spans, owners));
  const pending = order && pendingNode(order, { nodes, placing, owners });
  for (const node of nodes) if (!owners.has(node)) owners.set(node, spanNode(node, owners, placing));
  const attached = attachNodes(told, { nodes, owners, events, pending });
  for (const node of attached) tellInside(node);
  return {
    roots: rootsOf(attached, events[0]),
    ...placing,
    ...edgesOf(attached),
    foreignSpans: all.length - nodes.length,
  };
}

function edgesOf(all: readonly TraceNode[]): Pick<MergedTrace, "fromNs" | "toNs" | "endNs"> {
  const ends = (nodes: readonly TraceNode[]) => mostOf(nodes.map(({ toNs }) => toNs));
  const ofOrder = all.filter(({ of }) => of.is !== "span");
  return {
    fromNs: leastOf(all.map(({ fromNs }) => fromNs)),
    toNs: ends(all),
    endNs: ends(ofOrder.length > 0 ? ofOrder : all),
  };
}

/** The root above the order's first event comes first. */
function rootsOf(all: readonly TraceNode[], first: TraceNode | undefined): TraceNode[] {
  const main = first && topOf(first);
  const roots = all.filter(({ parent }) => parent === undefined).sort(byStart);
  return main ? [main, ...roots.filter((root) => root !== main)] : roots;
}

const startUs = (logged: readonly LoggedEvent[]): number => leastOf(logged.map((one) => one.storedAtUs));

const startNs = (nodes: readonly SpanNode[]): bigint =>
  nodes.map(({ span }) => span.startNs).reduce((a, b) => (a < b ? a : b), nodes[0]?.span.startNs ?? 0n);

/**
 * Keeps the spans of one order. A span belongs to the order it names, else to that of its nearest ancestor, else to
 * this one. A kept span whose parent is dropped is attached to the nearest kept ancestor.
 */
function nodesOfOrder(orderId: string, nodes: readonly SpanNode[]): SpanNode[] {
  const owners = new Map<SpanNode, string | undefined>();
  for (const node of nodes) {
    const above = node.parent && owners.get(node.parent);
    owners.set(node, textOf(node.span.attributes, attribute.orderId) ?? above);
  }
  const isOwn = (node: SpanNode): boolean => (owners.get(node) ?? orderId) === orderId;
  const own = nodes.filter(isOwn);
  for (const node of own) {
    while (node.parent && !isOwn(node.parent)) node.parent = node.parent.parent;
    node.children = [];
  }
  for (const node of own) node.parent?.children.push(node);
  return own;
}

function tellEvents({ flow, timeline, logged }: KnownOrder, nodes: readonly SpanNode[]): EventSpans[] {
  return timeline.hops.flatMap((hop) => {
    const stored = logged.find(({ sequence }) => sequence === hop.sequence);
    if (!stored) return [];
    const cause = logged.find(({ sequence }) => sequence === hop.causeSequence && sequence < hop.sequence);
    return { logged: stored, cause, hop, spans: findHopSpans(flow, { logged: stored, cause }, nodes) };
  });
}

function absorb(event: TraceNode, { publish, process, failed }: HopSpans, owners: Owners): TraceNode {
  const main = [...failed, process, publish].filter((node) => node !== undefined);
  for (const node of main.flatMap((each) => [each, ...settlingOf(each)])) {
    if (owners.has(node)) continue;
    owners.set(node, event);
    event.absorbed.push(node.span);
  }
  return event;
}
