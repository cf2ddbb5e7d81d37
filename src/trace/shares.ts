import { calleeIn } from "../telemetry/tracing/span-facts.ts";
import type { KnownOrder } from "./merge.ts";
import { spanOf, type TraceNode } from "./node.ts";
import type { PathStep } from "./path.ts";
import type { TraceRow } from "./rows.ts";
import { describeHold, type SegmentKind, segmentKinds } from "./segment.ts";

/**
 * What the time from the start of a trace to its end was spent on; the parts add up to `totalMs`. `callsAre` names what
 * was called during `calledMs`, or is `calls` where that is several or unknown; `heldBy` names the circuit breakers
 * behind `heldMs`.
 */
export type CriticalPath = {
  fromMs: number;
  toMs: number;
  totalMs: number;
  waitedMs: number;
  heldMs: number;
  workedMs: number;
  calledMs: number;
  failedMs: number;
  storingMs: number;
  unknownMs: number;
  callsAre: string;
  heldBy: string | null;
  /** The single largest part of the path. */
  largest: { what: string; ms: number; share: number } | null;
};

type Rows = ReadonlyMap<TraceNode, TraceRow>;
type Part = { row: TraceRow; node: TraceNode; as: SegmentKind; ns: number };

/** Sums up a critical path, and adds each row's part of the path to its `criticalMs`. */
export function shareOut(
  steps: readonly PathStep[],
  { rowOf, order }: { rowOf: Rows; order: KnownOrder | undefined },
): CriticalPath {
  const parts = partsOf(steps, rowOf);
  for (const { row, ns } of parts) row.criticalMs += ns / 1e6;
  const fromNs = steps[0]?.fromNs ?? 0;
  const toNs = steps.at(-1)?.toNs ?? fromNs;
  const calls = steps.filter(({ as }) => as === "called");
  return {
    ...{ fromMs: fromNs / 1e6, toMs: toNs / 1e6, totalMs: (toNs - fromNs) / 1e6 },
    ...sumsOf(steps),
    heldBy: heldByIn(parts),
    callsAre: calleeOf(calls, order) ?? "calls",
    largest: largestOf(parts, toNs - fromNs, order),
  };
}

/**
 * One part per row and kind of segment. The row of a span has at most three: its queue wait, its holds, and everything
 * else.
 */
function partsOf(steps: readonly PathStep[], rowOf: Rows): Part[] {
  const parts = new Map<TraceRow, Map<string, Part>>();
  for (const { node, as, fromNs, toNs } of steps) {
    const row = rowAt(node, rowOf);
    if (!node || !row) continue;
    const own = parts.get(row) ?? new Map<string, Part>();
    parts.set(row, own);
    const key = row.is === "span" && as !== "held" ? String(isQueueWait(node, as)) : as;
    const part = own.get(key) ?? { row, node, as, ns: 0 };
    own.set(key, { ...part, ns: part.ns + toNs - fromNs });
  }
  return [...parts.values()].flatMap((own) => [...own.values()]);
}

function sumsOf(steps: readonly PathStep[]) {
  const sums = Object.fromEntries(segmentKinds.map((as) => [as, 0])) as Record<SegmentKind, number>;
  for (const { as, fromNs, toNs } of steps) sums[as] += toNs - fromNs;
  return {
    waitedMs: sums.waited / 1e6,
    heldMs: sums.held / 1e6,
    workedMs: (sums.worked + sums.refused) / 1e6,
    calledMs: sums.called / 1e6,
    failedMs: sums.failed / 1e6,
    storingMs: sums.storing / 1e6,
    unknownMs: sums.unknown / 1e6,
  };
}

/** What all the calls went to; an event without spans of its calls tells only of what the flow's services call. */
function calleeOf(calls: readonly PathStep[], order: KnownOrder | undefined): string | undefined {
  const callee = order?.flow.callee;
  const names = calls.map(({ node }) => {
    const span = node && spanOf(node);
    return span ? calleeIn(span) : callee;
  });
  const distinct = [...new Set(names.length > 0 ? names : [callee])];
  return distinct.length === 1 ? distinct[0] : undefined;
}

/** A node without a row belongs to the row of its nearest ancestor. */
function rowAt(node: TraceNode | undefined, rowOf: Rows): TraceRow | undefined {
  return node && (rowOf.get(node) ?? rowAt(node.parent, rowOf));
}

function largestOf(
  parts: readonly Part[],
  totalNs: number,
  order: KnownOrder | undefined,
): CriticalPath["largest"] {
  const [first, ...others] = parts;
  if (!first || totalNs <= 0) return null;
  const largest = others.reduce((most, part) => (part.ns > most.ns ? part : most), first);
  return { what: describe(largest, order), ms: largest.ns / 1e6, share: largest.ns / totalNs };
}

const describe = (part: Part, order: KnownOrder | undefined): string =>
  part.row.is === "span" ? describeSpan(part) : describeEvent(part, order);

function heldByIn(parts: readonly Part[]): string | null {
  const names = new Set(parts.flatMap(({ as, row }) => (as === "held" ? (row.heldBy ?? []) : [])));
  return names.size === 0 ? null : [...names].join(", ");
}

/** The wait before a span's first attempt is time in a queue; pauses before retries belong to the span's own work. */
const isQueueWait = ({ isRetry }: TraceNode, as: SegmentKind): boolean => as === "waited" && !isRetry;

function describeSpan({ row, node, as }: Part): string {
  const { label, service, failed, count, folded, heldBy } = row;
  if (as === "held") return describeHold(heldBy);
  if (isQueueWait(node, as)) return `waiting for ${service ?? label}`;
  if (folded === "similar") return `${label}, ${count} together`;
  return failed === 0 ? label : `${label}, ${failed} of ${count} failed`;
}

function describeEvent({ row, node, as }: Part, order: KnownOrder | undefined): string {
  const { label } = row;
  const callee = order?.flow.callee;
  const isFirst = node.of.is === "event" && node.of.hop.kind === order?.flow.firstKind;
  const who = row.service ?? label;
  const work = `the work of ${who}`;
  const words: Record<SegmentKind, string> = {
    held: describeHold(row.heldBy),
    waited: `waiting for ${consumerOf(row, node, order) ?? who}`,
    worked: work,
    refused: work,
    called: callee === undefined ? "calls" : `calls of the ${callee}`,
    failed: `failed deliveries to ${who}`,
    storing: `storing the ${(isFirst && order?.flow.noun.one) || label}`,
    unknown: `${label}, of which nobody tells more`,
  };
  return words[as];
}

/** The durable consumer through which a service received the cause of an event. */
function consumerOf(
  { service }: TraceRow,
  { of, parent }: TraceNode,
  order: KnownOrder | undefined,
): string | undefined {
  if (of.is !== "event") return order?.next?.consumer;
  const cause = parent?.of.is === "event" ? parent.of.hop.kind : "";
  return order?.flow.consumerBetween(service ?? "", cause, of.hop.kind);
}
