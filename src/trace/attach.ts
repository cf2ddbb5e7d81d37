import type { TimelineHop } from "../flow/timeline.ts";
import type { SpanNode } from "../telemetry/tracing/span-tree.ts";
import type { CausedEvent, HopSpans } from "./hop-spans.ts";
import { attach, byStart, type TraceNode } from "./node.ts";

/** An event, its cause, and the spans that belong to it. */
export type EventSpans = CausedEvent & { spans: HopSpans; hop: TimelineHop };

/** The node that contains each span. */
export type Owners = Map<SpanNode, TraceNode>;

type Loose = {
  nodes: readonly SpanNode[];
  owners: Owners;
  events: readonly TraceNode[];
  pending: TraceNode | undefined;
};

/**
 * Builds the tree of nodes: events below their causes, the first one below the span that published it, spans below
 * their parents. Returns every node, those of events first.
 */
export function attachNodes(
  told: readonly EventSpans[],
  { nodes, owners, events, pending }: Loose,
): TraceNode[] {
  attachEvents(told, events, owners);
  const last = events.at(-1);
  if (pending && last) attach(pending, last);
  attachSpans(nodes, owners, pending);
  const all = [...new Set([...events, ...(pending ? [pending] : []), ...owners.values()])];
  for (const node of all) node.children.sort(byStart);
  return all;
}

function attachEvents(told: readonly EventSpans[], events: readonly TraceNode[], owners: Owners): void {
  told.forEach(({ cause, spans: { publish } }, index) => {
    const event = events[index];
    const above = cause
      ? events[told.findIndex(({ logged }) => logged === cause)]
      : publish?.parent && owners.get(publish.parent);
    if (event && above) attach(event, above);
  });
}

type OwnSpan = { node: SpanNode; at: TraceNode };

function attachSpans(nodes: readonly SpanNode[], owners: Owners, pending: TraceNode | undefined): void {
  const own = nodes.flatMap((node): OwnSpan[] => {
    const at = owners.get(node);
    return at?.of.is === "span" ? [{ node, at }] : [];
  });
  for (const { node, at } of own) {
    const above = node.parent && owners.get(node.parent);
    if (above) attach(at, above);
  }
  const [first] = owners.values();
  const root = first && topOf([...owners.values()].find(({ of }) => of.is === "event") ?? first);
  const orphans = own.filter(
    ({ node: { span, parent, parentInCircle } }) => !parent && span.parentSpanId !== null && !parentInCircle,
  );
  for (const { at } of orphans) attachOrphan(at, root, pending);
}

/**
 * Attaches a span whose parent was not received or is left out: to the pending node if the span began during the wait,
 * else to the trace's root.
 */
function attachOrphan(at: TraceNode, root: TraceNode | undefined, pending: TraceNode | undefined): void {
  const isSince = pending !== undefined && at.fromNs >= pending.fromNs;
  // The parent is still running; its span is sent when it ends.
  if (isSince && at.of.is === "span" && attach(at, pending)) at.of.parentMissing = false;
  else if (root && root !== at) attach(at, root);
}

/** The root above a node. */
export function topOf(node: TraceNode): TraceNode {
  return node.parent ? topOf(node.parent) : node;
}
