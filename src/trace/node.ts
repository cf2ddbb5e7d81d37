import type { TimelineHop } from "../flow/timeline.ts";
import type { Span } from "../telemetry/tracing/span.ts";
import type { Segment } from "./segment.ts";

/** What a node stands for. An order under way ends in a `pending` node: its current wait. */
export type NodeSource =
  | { is: "event"; hop: TimelineHop }
  | { is: "pending"; hop: null; heldBy: string | null }
  | { is: "span"; span: Span; parentMissing: boolean; parentInCircle: boolean; idle: boolean };

/** One step of a trace: an event of the log with the spans that belong to it, or a single span. */
export type TraceNode = {
  of: NodeSource;
  fromNs: number;
  toNs: number;
  /** How the node's own time divides, from `fromNs` to `toNs` without a gap. */
  segments: Segment[];
  /** Spans that are part of this node and get no row of their own, including its failed deliveries. */
  absorbed: Span[];
  /** True for an attempt that follows a failed one: the pause before it is counted as its own wait. */
  isRetry: boolean;
  parent: TraceNode | undefined;
  children: TraceNode[];
};

export const createNode = (
  of: NodeSource,
  { segments, ...edges }: { fromNs: number; toNs: number; segments: Segment[] },
): TraceNode => ({ of, ...edges, segments, absorbed: [], isRetry: false, parent: undefined, children: [] });

/** Attaches a node to a parent. Returns false, and changes nothing, when that would create a cycle. */
export function attach(node: TraceNode, parent: TraceNode): boolean {
  for (let above: TraceNode | undefined = parent; above; above = above.parent) {
    if (above === node) return false;
  }
  node.parent = parent;
  parent.children.push(node);
  return true;
}

export const spanOf = ({ of }: TraceNode): Span | undefined => (of.is === "span" ? of.span : undefined);

/** Compares by start; of two that start together the event comes last, because its effects follow it. */
export const byStart = (a: TraceNode, b: TraceNode): number =>
  a.fromNs - b.fromNs || Number(a.of.is !== "span") - Number(b.of.is !== "span");

/** For arrays too long to spread into `Math.min` or `Math.max`; 0 for an empty one. */
export const leastOf = (values: readonly number[]): number =>
  values.reduce((a, b) => Math.min(a, b), values[0] ?? 0);
export const mostOf = (values: readonly number[]): number =>
  values.reduce((a, b) => Math.max(a, b), values[0] ?? 0);
