import type { SegmentKind } from "./segment.ts";

/** A segment of a row's time, in ms from the trace's zero. */
export type TraceSegment = { as: SegmentKind; fromMs: number; toMs: number };

/**
 * A row of the picture. Rows stand in the order of a tree: the parent of a row is the nearest above it with a smaller
 * `depth`. Times are ms from the order's first stored event, or from the start of a trace without an order.
 */
export type TraceRow = {
  depth: number;
  /** An event of the log, what an order under way waits for, or spans that nothing else stands for. */
  is: "event" | "pending" | "span";
  label: string;
  /** Deliveries of an event; attempts of a call; spans alike in one row. */
  count: number;
  /** How many of them failed. */
  failed: number;
  folded: "attempts" | "similar" | null;
  fromMs: number;
  toMs: number;
  /** `null` for an event of which nobody tells what led to it; the sum where several alike share the row. */
  tookMs: number | null;
  /** The longest of several alike. */
  longestMs: number | null;
  segments: TraceSegment[];
  /** Of an event. */
  sequence: number | null;
  service: string | null;
  instance: string | null;
  outcome: string | null;
  /** The circuit breaker that it waited for; `null` where it waited for none. */
  heldBy: string | null;
  /** True where a delivery or an attempt before it failed or was given up, whoever tells of it. */
  retried: boolean;
  /** True where the business said no. */
  refused: boolean;
  /** Why the last that failed did so. */
  error: string | null;
  /** True where it names a parent that nobody received. */
  parentMissing: boolean;
  /** True where the parent that it names is itself, or below it. */
  parentInCircle: boolean;
  /** Its part of the critical path, its children's not counted. */
  criticalMs: number;
  spanIds: string[];
};
