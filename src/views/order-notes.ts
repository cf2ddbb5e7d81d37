import type { OrderTimeline, TimelineHop } from "../pipeline/order-timeline.ts";
import type { Style } from "../terminal.ts";
import { formatDuration } from "./format.ts";
import { workersOf } from "./order-columns.ts";
import { eventNames } from "./order-rows.ts";
import { paint } from "./paint.ts";
import { printable, wrapWords } from "./plain-text.ts";

/** Differences between clocks that are worth a line. */
const noticeableSkewMs = 0.5;

/**
 * Where it applies: who did what, unless a column names them; that a repeated delivery made a wait longer; how far
 * the clocks are apart.
 */
export function orderNotes({ hops }: OrderTimeline, { named }: { named: boolean }, style: Style): string[] {
  const { dim } = paint(style);
  return [named ? "" : workersNote(hops), attemptsNote(hops, style), skewNote(hops)]
    .filter((note) => note !== "")
    .flatMap((note) => wrapWords(note, style.width))
    .map((line) => dim(line));
}

function workersNote(hops: readonly TimelineHop[]): string {
  const workers = workersOf(hops);
  if (workers.length < 2) return "";
  const deeds = workers.map((worker) => {
    const kinds = hops.filter(({ kind, instance }) => kind !== "created" && instance === worker);
    return `${kinds.map(({ kind }) => eventNames[kind]).join(" and ")} by ${printable(worker)}`;
  });
  return deeds.join(", ");
}

function attemptsNote(hops: readonly TimelineHop[], { unicode }: Style): string {
  const most = Math.max(...hops.map(({ attempt }) => attempt ?? 1));
  if (most < 2) return "";
  return `${unicode ? "×" : "x"}${most}: done at the ${ordinal(most)} delivery; the wait holds the earlier ones`;
}

const ordinal = (n: number): string => {
  const suffix = n % 100 >= 11 && n % 100 <= 13 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th");
  return `${n}${suffix}`;
};

function skewNote(hops: readonly TimelineHop[]): string {
  const skew = hops
    .map(({ clockSkewMs }) => clockSkewMs ?? 0)
    .reduce((worst, each) => (Math.abs(each) > Math.abs(worst) ? each : worst), 0);
  if (Math.abs(skew) < noticeableSkewMs) return "";
  const apart = formatDuration(Math.abs(skew));
  const side = skew > 0 ? "behind" : "ahead of";
  return `clocks differ by at least ${apart}: a worker's is ${side} the broker's, so waits and storing are estimates`;
}
