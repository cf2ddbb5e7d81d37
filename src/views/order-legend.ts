import type { OrderTimeline, TimelineHop } from "../pipeline/order-timeline.ts";
import type { Style } from "../terminal.ts";
import { glyphsOf, type Segment, segmentPaint } from "./bars.ts";
import { formatDuration } from "./format.ts";

/** What the bars' characters mean, each with its part of the total time. */
export function orderLegend(timeline: OrderTimeline, style: Style): string {
  const { totalMs, waitingMs } = timeline;
  const path = criticalPath(timeline.hops);
  const sum = (pick: (hop: TimelineHop) => number | null) =>
    path.reduce((total, hop) => total + (pick(hop) ?? 0), 0);
  const entries: [Segment["as"], string, number][] = [
    ["waited", "waited", sum(({ waitedMs }) => waitedMs) + (waitingMs ?? 0)],
    ["worked", "worked", sum(({ workedMs }) => workedMs)],
    ["storing", "storing", sum(({ storingMs }) => storingMs)],
    ["unknown", "not told", sum(({ waitedMs, elapsedMs }) => (waitedMs === null ? elapsedMs : 0))],
  ];
  const colours = segmentPaint(style);
  const glyphs = glyphsOf(style);
  return entries
    .filter(([, , ms]) => ms > 0)
    .map(
      ([as, word, ms]) =>
        `${colours[as](glyphs[as].repeat(2))} ${word} ${formatDuration(ms)} (${percent(ms, totalMs)})`,
    )
    .join("   ");
}

const percent = (ms: number, totalMs: number): string =>
  ms < totalMs / 100 ? "<1%" : `${Math.round((100 * ms) / totalMs)}%`;

/** From the last event back to the first by their causes: its times sum to the time between the two. */
function criticalPath(hops: readonly TimelineHop[]): TimelineHop[] {
  const bySequence = new Map(hops.map((hop) => [hop.sequence, hop]));
  const path: TimelineHop[] = [];
  for (let hop = hops.at(-1); hop; ) {
    path.unshift(hop);
    const cause: number = hop.causeSequence ?? 0;
    hop = cause < hop.sequence ? bySequence.get(cause) : undefined;
  }
  return path;
}
