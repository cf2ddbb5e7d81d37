import { formatDuration } from "../../terminal/format.ts";
import type { Style } from "../../terminal/terminal.ts";
import type { TracePicture } from "../picture.ts";
import type { TraceSegment } from "../rows.ts";
import { glyphsOf, segmentPaint } from "./bars.ts";
import { formatShare } from "./columns.ts";
import { cutToWidth, safeText } from "./text.ts";

const gap = "   ";

/** The bars' glyphs with their shares of the critical path, then the single largest part. */
export function traceLegend(trace: TracePicture, style: Style): string[] {
  const { criticalPath: path, rows } = trace;
  const entries: [TraceSegment["as"], string, number][] = [
    ["waited", "waited", path.waitedMs],
    ["held", holdWord(trace), path.heldMs],
    ["worked", "worked", path.workedMs],
    ["called", path.callsAre, path.calledMs],
    ["failed", "failed", path.failedMs],
    ["storing", "storing", path.storingMs],
    ["unknown", "not told", path.unknownMs],
  ];
  const drawn = new Set(rows.flatMap(({ segments }) => segments.map(({ as }) => as)));
  const shown = entries
    .filter(([as, , ms]) => ms > 0 || (drawn.has(as) && as !== "unknown"))
    .map(([as, word, ms]) => ({
      plain: `xx ${safeText(entryText(word, ms, path.totalMs), style)}`,
      text: `${segmentPaint(style)[as](glyphsOf(style)[as].repeat(2))} ${safeText(entryText(word, ms, path.totalMs), style)}`,
    }));
  return [...inLines(shown, style.width), ...largestLine(trace, style)];
}

/** The same text as `describeHold`, repeated because the files in `view` import only types from the trace code. */
function holdWord({ criticalPath, rows }: TracePicture): string {
  const name = criticalPath.heldBy ?? rows.find(({ heldBy }) => heldBy !== null)?.heldBy;
  return `waiting for ${name ?? "a service"} (breaker)`;
}

const entryText = (word: string, ms: number, totalMs: number): string =>
  ms > 0 ? `${word} ${formatDuration(ms)} (${formatShare(ms / totalMs)})` : word;

function inLines(entries: readonly { plain: string; text: string }[], width: number): string[] {
  const lines: { plain: number; text: string }[] = [];
  for (const { plain, text } of entries) {
    const last = lines.at(-1);
    if (last && last.plain + gap.length + plain.length <= width) {
      last.text += gap + text;
      last.plain += gap.length + plain.length;
    } else lines.push({ plain: plain.length, text });
  }
  return lines.map(({ text }) => text);
}

function largestLine({ criticalPath, rows }: TracePicture, style: Style): string[] {
  const { largest, fromMs, totalMs } = criticalPath;
  if (!largest) return [];
  // The headline counts from the order's storing. A path that starts earlier, in a publisher's span, gets its own
  // total.
  const [first] = rows;
  const isLonger = first !== undefined && rows.some(({ is }) => is === "event") && fromMs < -totalMs / 100;
  const begin = first?.is === "span" ? first.label : "publishing";
  const whole = isLonger ? `${formatDuration(totalMs)} from ${begin} on` : "the time";
  const text = `${formatShare(largest.share)} of ${whole}: ${largest.what}`;
  return [cutToWidth(safeText(text, style), style.width, style)];
}
