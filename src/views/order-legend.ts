import type { OrderTimeline, TimelineHop } from "../pipeline/order-timeline.ts";
import type { Style } from "../terminal.ts";
import { glyphsOf, type Segment, segmentPaint } from "./bars.ts";
import { formatDuration } from "./format.ts";
import { paint } from "./paint.ts";
import { wrapWords } from "./plain-text.ts";

/** Differences between clocks that are worth a line. */
const noticeableSkewMs = 0.5;

/**
 * What the bars' characters mean, each with its share of the total time; then, where it applies, what a repeated
 * delivery did to the waits and how far the clocks are apart.
 */
export function orderLegend(timeline: OrderTimeline, style: Style): string[] {
  const { dim } = paint(style);
  const notes = [attemptsNote(timeline.hops, style), skewNote(timeline.hops)];
  const lines = notes.flatMap((note) => (note === undefined ? [] : wrapWords(note, style.width)));
  return [sums(timeline, style), ...lines.map((line) => dim(line))].filter((line) => line !== "");
}

function sums(timeline: OrderTimeline, style: Style): string {
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
  const known = entries.filter(([as, , ms]) => ms > 0 || (as === "worked" && path.length > 1));
  return known
    .map(
      ([as, word, ms]) =>
        `${colours[as](glyphs[as].repeat(2))} ${word} ${formatDuration(ms)}${percent(ms, totalMs)}`,
    )
    .join("   ");
}

const percent = (ms: number, totalMs: number): string =>
  totalMs > 0 ? ` (${Math.round((100 * ms) / totalMs)}%)` : "";

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

function attemptsNote(hops: readonly TimelineHop[], { unicode }: Style): string | undefined {
  const most = Math.max(...hops.map(({ attempt }) => attempt ?? 1));
  if (most < 2) return undefined;
  return `${unicode ? "×" : "x"}${most}: done at the ${ordinal(most)} delivery; the wait holds the earlier ones`;
}

const ordinal = (n: number): string => {
  const suffix = n % 100 >= 11 && n % 100 <= 13 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th");
  return `${n}${suffix}`;
};

function skewNote(hops: readonly TimelineHop[]): string | undefined {
  const skew = hops
    .map(({ clockSkewMs }) => clockSkewMs ?? 0)
    .reduce((worst, each) => (Math.abs(each) > Math.abs(worst) ? each : worst), 0);
  if (Math.abs(skew) < noticeableSkewMs) return undefined;
  const side = skew > 0 ? "behind" : "ahead of";
  return `clocks differ by at least ${formatDuration(Math.abs(skew))}: a worker's is ${side} the broker's, so waits and storing are estimates`;
}
