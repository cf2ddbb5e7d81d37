import type { LoggedEvent } from "../flow/key-log.ts";
import type { Span } from "../telemetry/tracing/span.ts";
import {
  type ClockBound,
  type ClockShift,
  type Reading,
  readingsOf,
  settleClocks,
  spanBounds,
} from "../telemetry/tracing/span-clocks.ts";
import { processOf } from "../telemetry/tracing/span-facts.ts";
import type { SpanNode } from "../telemetry/tracing/span-tree.ts";
import type { CausedEvent, HopSpans } from "./hop-spans.ts";

const broker = "(broker)";
/** The times of the broker and of hop headers are truncated to whole µs. */
const slackNs = 2000;

type Told = CausedEvent & { spans: HopSpans };

/**
 * How far each process's clock must be shifted so that it agrees with the broker's clock and causes precede their
 * effects. Without a log, the clock of the first span's process is the reference.
 */
export function settleTraceClocks(
  told: readonly Told[],
  nodes: readonly SpanNode[],
  zeroNs: bigint,
): Map<string, ClockShift> {
  const bounds = [...told.flatMap((one) => eventBounds(one, zeroNs)), ...spanBounds(nodes, zeroNs)];
  const [first] = nodes;
  const reference = told.length > 0 || !first ? broker : processOf(first.span);
  return settleClocks(bounds, reference);
}

function eventBounds({ logged, cause, spans }: Told, zeroNs: bigint): ClockBound[] {
  const stored = storedReading(logged, zeroNs);
  const { publish, process, failed } = spans;
  const bounds = cause ? hopBounds(logged, { cause: storedReading(cause, zeroNs), stored }, zeroNs) : [];
  if (publish) {
    const { start, end } = readingsOf(publish.span, zeroNs);
    bounds.push({ earlier: start, later: stored }, { earlier: stored, later: end });
  }
  for (const delivery of cause ? [process, ...failed] : []) {
    if (delivery && cause)
      bounds.push({
        earlier: storedReading(cause, zeroNs),
        later: readingsOf(delivery.span, zeroNs).start,
      });
  }
  return bounds.map(withSlack);
}

function hopBounds(
  { hop }: LoggedEvent,
  { cause, stored }: { cause: Reading; stored: Reading },
  zeroNs: bigint,
): ClockBound[] {
  if (!hop) return [];
  const at = (us: number): Reading => ({ clock: hop.instance, atNs: nsSince(us, zeroNs) });
  return [
    { earlier: cause, later: at(hop.receivedAtUs) },
    { earlier: at(hop.finishedAtUs), later: stored },
  ];
}

const withSlack = ({ earlier, later }: ClockBound): ClockBound => ({
  earlier,
  later: { ...later, atNs: later.atNs + slackNs },
});

const storedReading = ({ storedAtUs }: LoggedEvent, zeroNs: bigint): Reading => ({
  clock: broker,
  atNs: nsSince(storedAtUs, zeroNs),
});

/** A Unix time in whole µs as ns since the trace's zero point. */
export const nsSince = (us: number, zeroNs: bigint): number => Number(BigInt(us) * 1000n - zeroNs);

/** The start and end of a span in ns since the trace's zero point, with its clock corrected. */
export function placeSpan(
  span: Span,
  { zeroNs, clocks }: { zeroNs: bigint; clocks: ReadonlyMap<string, ClockShift> },
): { fromNs: number; toNs: number } {
  const { start, end } = readingsOf(span, zeroNs);
  const shiftNs = clocks.get(start.clock)?.shiftNs ?? 0;
  return { fromNs: start.atNs + shiftNs, toNs: end.atNs + shiftNs };
}
