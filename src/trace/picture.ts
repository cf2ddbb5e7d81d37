import { isoTime } from "../core/units.ts";
import type { Flow } from "../flow/flow.ts";
import type { FalseMessage, LoggedEvent } from "../flow/key-log.ts";
import { foldKey } from "../flow/key-state.ts";
import type { OpenBreaker } from "../flow/process-status.ts";
import { buildTimeline, type OrderTimeline } from "../flow/timeline.ts";
import type { AttributeValue, Span } from "../telemetry/tracing/span.ts";
import type { ClockShift } from "../telemetry/tracing/span-clocks.ts";
import {
  errorOf,
  instanceOf,
  isFailed,
  processOf,
  serviceOf,
  textOf,
} from "../telemetry/tracing/span-facts.ts";
import { attribute } from "../telemetry/tracing/span-names.ts";
import { allReadable, type UnreadableSpans } from "../telemetry/tracing/span-reading.ts";
import { mergeTrace } from "./merge.ts";
import { findCriticalPath } from "./path.ts";
import { buildRows, type TraceRow } from "./rows.ts";
import { type CriticalPath, shareOut } from "./shares.ts";

/** A span as received, by its own clock; times are Unix ns as text. */
export type ReceivedSpan = {
  traceId: string;
  spanId: string;
  parentSpanId: string | null;
  name: string;
  kind: Span["kind"];
  service: string | null;
  instance: string | null;
  startUnixNs: string;
  /** As measured, so negative when the clock was set back during the span. `null` when the span never ended. */
  durationMs: number | null;
  error: string | null;
  attributes: Readonly<Record<string, AttributeValue>>;
};

/** A process whose clock was shifted to agree with the others; `shiftMs` is negative when its clock was ahead. */
export type MovedClock = { process: string; service: string | null; shiftMs: number };

/**
 * Everything drawn of a trace. Times are ms since the order's first stored event, or since the start of a trace without
 * an order.
 */
export type TracePicture = {
  /** The left and right edge of the picture. */
  fromMs: number;
  toMs: number;
  rows: TraceRow[];
  /** How many rows were left out, and which flag asked for that. */
  hidden: { rows: number; by: "errors" | "critical" | "min" | null; minMs: number | null };
  criticalPath: CriticalPath;
  clocks: MovedClock[];
  /**
   * The largest difference between a worker's hop header and the broker's times that no shift of the worker's clock
   * explains; 0 when there is none.
   */
  skewMs: number;
  /**
   * The least amount by which the broker's own clock was set back between two events of the order; 0 when it was not.
   */
  setBackMs: number;
  /** The trace ids of events and spans; more than one only when other programs contributed to the order. */
  traceIds: string[];
  /** False when no event's trace context is sampled; `null` when no event has a trace context. */
  sampled: boolean | null;
  spans: ReceivedSpan[];
  /** Spans of the same trace that belong to other orders and are left out. */
  foreignSpans: number;
  /** Spans of the trace that cannot be read and are left out. */
  unreadable: UnreadableSpans;
};

export type OrderTrace = OrderTimeline &
  TracePicture & {
    /** Messages under the order's subjects that are not the events these subjects name; they are left out. */
    falseMessages: readonly FalseMessage[];
    /** The open circuit breaker that an order under way waits for; `null` when none is known. */
    breaker: (OpenBreaker & { openSince: string }) | null;
  };

/** A trace without an order, or with several. */
export type SpanTrace = TracePicture & {
  traceId: string;
  startedAt: string;
  totalMs: number;
  services: string[];
  errors: number;
  orderIds: string[];
};

type Shown = { all: boolean; unreadable?: UnreadableSpans; breaker?: OpenBreaker | undefined };

type Known = {
  flow: Flow;
  logged: readonly LoggedEvent[];
  falseMessages?: readonly FalseMessage[];
  spans: readonly Span[];
  nowUs: number;
};

/** The trace of one order from its stored events, as of `nowUs`, and the spans received. */
export function buildOrderTrace(
  { flow, logged, falseMessages = [], spans, nowUs }: Known,
  shown: Shown = { all: false },
): OrderTrace {
  const timeline = buildTimeline(flow, logged, nowUs);
  const { next } = foldKey(flow, logged);
  const { breaker } = shown;
  const contexts = logged.flatMap(({ trace }) => trace ?? []);
  const { picture } = draw({ flow, timeline, logged, breaker, next }, spans, shown);
  return {
    ...timeline,
    ...picture,
    falseMessages,
    breaker: breaker
      ? { ...breaker, openSince: isoTime(nowUs - Math.round(breaker.openForMs * 1000)) }
      : null,
    traceIds: [...new Set([...contexts, ...spans].map(({ traceId }) => traceId))],
    sampled: contexts.length === 0 ? null : contexts.some(({ sampled }) => sampled),
  };
}

/** The trace of at least one span, without a log. */
export function buildSpanTrace(spans: readonly Span[], shown: Shown = { all: false }): SpanTrace {
  const { picture, startNs } = draw(undefined, spans, shown);
  const named = spans.flatMap(({ attributes }) => textOf(attributes, attribute.orderId) ?? []);
  return {
    traceId: spans[0]?.traceId ?? "",
    startedAt: isoTime(Number(startNs / 1000n)),
    totalMs: picture.toMs - picture.fromMs,
    services: [...new Set(spans.flatMap((span) => serviceOf(span) ?? []))].sort(),
    errors: spans.filter(isFailed).length,
    orderIds: [...new Set(named)],
    ...picture,
    traceIds: [...new Set(spans.map(({ traceId }) => traceId))],
    sampled: true,
  };
}

type Drawn = { picture: Omit<TracePicture, "traceIds" | "sampled">; startNs: bigint };

function draw(
  order: Parameters<typeof mergeTrace>[0],
  spans: readonly Span[],
  { all, unreadable = allReadable }: Shown,
): Drawn {
  const merged = mergeTrace(order, spans);
  const { fromNs, toNs, endNs } = merged;
  const { rows, rowOf } = buildRows(merged.roots, { all, order });
  const criticalPath = shareOut(findCriticalPath(merged.roots, { fromNs, toNs: endNs }), {
    rowOf,
    order,
  });
  const picture = {
    ...{ fromMs: fromNs / 1e6, toMs: toNs / 1e6, rows, criticalPath },
    hidden: { rows: 0, by: null, minMs: null },
    clocks: movedClocks(merged.clocks, spans),
    skewMs: contradictionOf(order?.timeline, merged.clocks),
    setBackMs: setBackOf(order?.logged ?? []),
    spans: spans.map(receivedSpan),
    foreignSpans: merged.foreignSpans,
    unreadable,
  };
  return { picture, startNs: merged.zeroNs + BigInt(Math.round(fromNs)) };
}

/** Smaller clock shifts are within measuring error and are not reported. */
const leastShiftNs = 10_000;

function movedClocks(clocks: ReadonlyMap<string, ClockShift>, spans: readonly Span[]): MovedClock[] {
  const services = new Map(spans.map((span) => [processOf(span), serviceOf(span)]));
  return [...clocks]
    .filter(([, { shiftNs }]) => Math.abs(shiftNs) >= leastShiftNs)
    .map(([process, { shiftNs }]) => ({
      process,
      service: services.get(process) ?? null,
      shiftMs: shiftNs / 1e6,
    }));
}

function contradictionOf(
  timeline: OrderTimeline | undefined,
  clocks: ReadonlyMap<string, ClockShift>,
): number {
  const skews = (timeline?.hops ?? [])
    .filter(({ instance }) => clocks.get(instance ?? "")?.contradictory)
    .map(({ clockSkewMs }) => clockSkewMs ?? 0);
  return skews.reduce((worst, each) => (Math.abs(each) > Math.abs(worst) ? each : worst), 0);
}

/** Storage times grow with the sequence unless the broker's clock goes back. */
function setBackOf(logged: readonly LoggedEvent[]): number {
  const stored = logged.toSorted((a, b) => a.sequence - b.sequence).map(({ storedAtUs }) => storedAtUs);
  const steps = stored.slice(1).map((at, index) => (stored[index] ?? at) - at);
  return Math.max(0, ...steps) / 1000;
}

const receivedSpan = (span: Span): ReceivedSpan => ({
  traceId: span.traceId,
  spanId: span.spanId,
  parentSpanId: span.parentSpanId,
  name: span.name,
  kind: span.kind,
  service: serviceOf(span),
  instance: instanceOf(span),
  startUnixNs: String(span.startNs),
  durationMs: span.endNs === 0n ? null : Number(span.endNs - span.startNs) / 1e6,
  error: errorOf(span),
  attributes: span.attributes,
});
