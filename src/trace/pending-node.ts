import { isFailed, serviceOf } from "../telemetry/tracing/span-facts.ts";
import type { SpanNode } from "../telemetry/tracing/span-tree.ts";
import { nsSince, placeSpan } from "./clocks.ts";
import type { Placing } from "./event-node.ts";
import { deliveriesOf, settlingOf } from "./hop-spans.ts";
import type { KnownOrder } from "./merge.ts";
import { createNode, type TraceNode } from "./node.ts";
import { overlay, type Segment } from "./segment.ts";

type Received = { nodes: readonly SpanNode[]; placing: Placing; owners: Map<SpanNode, TraceNode> };

/** What an order under way waits for, with the deliveries that have failed so far; undefined for one that has ended. */
export function pendingNode(
  { flow, timeline, logged, breaker }: KnownOrder,
  { nodes, placing, owners }: Received,
): TraceNode | undefined {
  const { waitingFor, waitingMs, hops } = timeline;
  const last = logged.find(({ sequence }) => sequence === hops.at(-1)?.sequence);
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
