import type { TimelineHop } from "../flow/timeline.ts";
import type { Span } from "../telemetry/tracing/span.ts";
import type { Segment } from "./segment.ts";

/** What a node stands for. An order under way ends in a `pending` node: what it waits for. */
export type NodeSource =
  | { is: "event"; hop: TimelineHop }
  | { is: "pending"; hop: null; heldBy: string | null }
  | { is: "span"; span: Span; parentMissing: boolean; parentInCircle: boolean; idle: boolean };

/** One step of a trace: an event of the log with the spans that tell of it, or a span of its own. */
export type TraceNode = {
  of: NodeSource;
  fromNs: number;
  toNs: number;
  /** What its own time went into, from `fromNs` to `toNs` without a hole. */
  segments: Segment[];
  /** Spans that this node tells of without a row of their own, its failed deliveries among them. */
  absorbed: Span[];
  /** True for an attempt after one that failed: the pause before it is its own. */
  isRetry: boolean;
  parent: TraceNode | undefined;
  children: TraceNode[];
};

export const createNode = (
  of: NodeSource,
  { segments, ...edges }: { fromNs: number; toNs: number; segments: Segment[] },
): TraceNode => ({ of, ...edges, segments, absorbed: [], isRetry: false, parent: undefined, children: [] });

/** Attaches a node to another; false, and nothing done, where that would close a circle. */
export function attach(node: TraceNode, parent: TraceNode): boolean {
  for (let above: TraceNode | undefined = parent; above; above = above.parent) {
    if (above === node) return false;
  }
  node.parent = parent;
  parent.children.push(node);
  return true;
}

export const spanOf = ({ of }: TraceNode): Span | undefined => (of.is === "span" ? of.span : undefined);

/** By their start; of two that start together, the event comes last, as what it leads to comes after it. */
export const byStart = (a: TraceNode, b: TraceNode): number =>
  a.fromNs - b.fromNs || Number(a.of.is !== "span") - Number(b.of.is !== "span");

/** Of any number of values, which `Math.min` and `Math.max` do not take; 0 for none. */
export const leastOf = (values: readonly number[]): number =>
  values.reduce((a, b) => Math.min(a, b), values[0] ?? 0);
export const mostOf = (values: readonly number[]): number =>
  values.reduce((a, b) => Math.max(a, b), values[0] ?? 0);
