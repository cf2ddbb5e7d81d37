import { formatCount, formatDuration } from "../../terminal/format.ts";
import { paint } from "../../terminal/paint.ts";
import { wrapWords } from "../../terminal/plain-text.ts";
import type { Style } from "../../terminal/terminal.ts";
import type { TracePicture } from "../picture.ts";
import type { TraceRow } from "../rows.ts";
import { rowText } from "./labels.ts";
import { cutToWidth, safeText, textWidth as widthOf } from "./text.ts";

/** Smaller clock differences get no note. */
const noticeableSkewMs = 0.5;

/**
 * Notes on what the rows do not show, each only when it applies. `named`: a column shows the instances; `textWidth` is
 * the width of the column that shows how each row ended; `source` labels the event that no worker makes.
 */
export function traceNotes(
  trace: TracePicture,
  { named, textWidth, source }: { named: boolean; textWidth: number; source: string | undefined },
  style: Style,
): string[] {
  const { dim } = paint(style);
  const { rows } = trace;
  const notes = [
    named ? "" : workersNote(rows, source),
    ...deliveryNotes(rows, style),
    ...cutErrors(rows, textWidth, style),
    setBackNote(trace) || skewNote(trace),
    foreignNote(trace),
    unreadableNote(trace),
    samplingNote(trace),
    hiddenNote(trace),
  ];
  return notes
    .filter((note) => note !== "")
    .flatMap((note) => wrapWords(safeText(note, style), style.width))
    .map((line) => dim(cutToWidth(line, style.width, style)));
}

function workersNote(rows: readonly TraceRow[], source: string | undefined): string {
  const handled = rows.filter(({ is, label }) => is === "event" && label !== source);
  const workers = [...new Set(handled.flatMap(({ instance }) => instance ?? []))];
  if (workers.length < 2) return "";
  const deeds = workers.map((worker) => {
    const done = handled.filter(({ instance }) => instance === worker);
    return `${done.map(({ label }) => label).join(" and ")} by ${worker}`;
  });
  return deeds.join(", ");
}

/** For events that took several deliveries: why the earlier ones failed, as far as spans tell. */
function deliveryNotes(rows: readonly TraceRow[], { unicode }: Style): string[] {
  return rows
    .filter(({ is, count, error }) => (is === "event" && count > 1) || (is === "pending" && error !== null))
    .map(({ label, is, count, failed, error }) => {
      const sign = `${unicode ? "×" : "x"}${count}`;
      const reason = error === null ? "" : `; the last that failed: ${error}`;
      if (is === "pending") return `${label}: ${deliveries(failed)} failed so far${reason}`;
      const rest = error === null ? "; the wait holds the earlier ones" : reason;
      return `${label} ${sign}: done at the ${ordinal(count)} delivery${rest}`;
    });
}

const mostErrors = 3;

/** The full text of errors that were cut in their rows; only the first few. */
function cutErrors(rows: readonly TraceRow[], width: number, style: Style): string[] {
  const cut = rows.filter(
    (row) => row.is === "span" && row.error !== null && widthOf(rowText(row, style)) > width,
  );
  const texts = new Set(cut.map(({ label, error }) => `${label}: ${error}`));
  return [...texts].slice(0, mostErrors);
}

const deliveries = (count: number): string => (count === 1 ? "1 delivery" : `${count} deliveries`);

function ordinal(n: number): string {
  const suffix = n % 100 >= 11 && n % 100 <= 13 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th");
  return `${n}${suffix}`;
}

/**
 * Takes precedence over the skew note: after the broker's clock was set back, a difference is no fault of the workers'
 * clocks.
 */
const setBackNote = ({ setBackMs }: TracePicture): string =>
  setBackMs < noticeableSkewMs
    ? ""
    : `the broker's clock was set back by at least ${formatDuration(setBackMs)} meanwhile: times before and after that cannot be compared`;

function skewNote({ clocks, rows, skewMs }: TracePicture): string {
  const [worst, ...others] = clocks
    .filter(({ shiftMs }) => Math.abs(shiftMs) >= noticeableSkewMs)
    .sort((a, b) => Math.abs(b.shiftMs) - Math.abs(a.shiftMs));
  const apart = (ms: number) => `clocks differ by at least ${formatDuration(Math.abs(ms))}`;
  const side = (ms: number) => (ms > 0 ? "behind" : "ahead of");
  const reference = rows.some(({ is }) => is === "event") ? "the broker's" : "the first span's";
  if (!worst)
    return Math.abs(skewMs) < noticeableSkewMs
      ? ""
      : `${apart(skewMs)}: a worker's is ${side(skewMs)} the broker's, so waits and storing are estimates`;
  const who = worst.service === null ? worst.process : `${worst.service} (${worst.process})`;
  const more =
    others.length === 0
      ? ""
      : `; ${others.length === 1 ? "1 other is" : `${others.length} others are`} moved too`;
  return `${apart(worst.shiftMs)}: that of ${who} is ${side(worst.shiftMs)} ${reference}, and moved here${more}`;
}

const foreignNote = ({ foreignSpans }: TracePicture): string =>
  foreignSpans === 0
    ? ""
    : `${formatCount(foreignSpans)} spans of other orders in the same trace are left out`;

function unreadableNote({ unreadable: { spans, reasons } }: TracePicture): string {
  if (spans === 0 && reasons.length === 0) return "";
  const left =
    spans === 1 ? "1 span that cannot be read is" : `${formatCount(spans)} spans that cannot be read are`;
  return `${left} left out: ${reasons.join("; ")}${spans > reasons.length ? " …" : ""}`;
}

/** Explains why only the log is shown. */
function samplingNote({ sampled, spans, traceIds }: TracePicture): string {
  if (sampled === null || spans.length > 0) return "";
  return sampled
    ? `no span of trace ${traceIds[0]} was received, or not yet: this is the log alone`
    : "not sampled for tracing: this is the log alone";
}

function hiddenNote({ hidden, rows }: TracePicture): string {
  const left = hidden.rows === 1 ? "1 row" : `${formatCount(hidden.rows)} rows`;
  if (hidden.rows > 0 && hidden.by === "min")
    return `${left} shorter than ${formatDuration(hidden.minMs)} left out`;
  if (hidden.rows > 0 && hidden.by === "critical") return `${left} off the critical path left out`;
  if (hidden.rows > 0 && hidden.by === "errors" && rows.length > 0)
    return `${left} without an error left out`;
  const folded = rows.some((row) => row.folded === "similar");
  return folded && hidden.by === null ? "rows of several alike: --all shows each" : "";
}
