import { paint } from "../../terminal/paint.ts";
import type { Style } from "../../terminal/terminal.ts";
import type { TraceSegment } from "../rows.ts";

/** The span of time that `width` columns show. */
export type Scale = { fromMs: number; totalMs: number; width: number };

type As = TraceSegment["as"];
type Glyphs = Record<As, string>;

const unicodeGlyphs: Glyphs = {
  waited: "·",
  held: "░",
  worked: "█",
  refused: "█",
  called: "▓",
  failed: "╳",
  storing: "▒",
  unknown: "╌",
};
const asciiGlyphs: Glyphs = {
  waited: ".",
  held: ":",
  worked: "#",
  refused: "#",
  called: "%",
  failed: "x",
  storing: "=",
  unknown: "-",
};
const leftEighths = " ▏▎▍▌▋▊▉█";

export const glyphsOf = ({ unicode }: Style): Glyphs => (unicode ? unicodeGlyphs : asciiGlyphs);

/** Every kind of segment has its own glyph, so colour is never the only distinction. */
export function segmentPaint(style: Style): Record<As, (text: string) => string> {
  const { dim, cyan, magenta, red, blue, yellow } = paint(style);
  return {
    waited: dim,
    held: yellow,
    worked: cyan,
    refused: red,
    called: magenta,
    failed: red,
    storing: blue,
    unknown: dim,
  };
}

type Cell = { glyph: string; as?: As };

/**
 * Draws segments to scale, padded to the scale's width. Work is exact to an eighth of a column. The longest work, every
 * call, failure and hold, and a row's only segment are visible however short; any other segment shows where it covers
 * the middle of a column.
 */
export function bar(segments: readonly TraceSegment[], scale: Scale, style: Style): string {
  const cells: Cell[] = Array.from({ length: scale.width }, () => ({ glyph: " " }));
  if (scale.totalMs <= 0) return paintRuns(cells, style);
  const perMs = scale.width / scale.totalMs;
  const glyphs = glyphsOf(style);
  const inColumns = segments.map(({ as, fromMs, toMs }) => ({
    as,
    from: (fromMs - scale.fromMs) * perMs,
    to: (toMs - scale.fromMs) * perMs,
  }));
  for (const segment of inColumns) if (!isWork(segment)) fill(cells, segment, glyphs);
  const work = inColumns.filter(isWork);
  const longest = work.reduce((most, { from, to }) => Math.max(most, to - from), 0);
  for (const segment of work)
    drawWork(cells, segment, { style, isSure: segment.to - segment.from === longest });
  for (const segment of inColumns) if (isSure(segment, segments.length)) ensureSeen(cells, segment, glyphs);
  return paintRuns(cells, style);
}

const isWork = ({ as }: { as: As }): boolean => as === "worked" || as === "refused";

const isSure = (segment: { as: As }, count: number): boolean =>
  segment.as === "called" ||
  segment.as === "failed" ||
  segment.as === "held" ||
  (count === 1 && !isWork(segment));

type Columns = { as: As; from: number; to: number };

/** Fills the columns whose middle lies in the segment. */
function fill(cells: Cell[], { as, from, to }: Columns, glyphs: Glyphs): void {
  const end = Math.min(cells.length, Math.ceil(to - 0.5));
  for (let column = Math.max(0, Math.ceil(from - 0.5)); column < end; column++) {
    cells[column] = { glyph: glyphs[as], as };
  }
}

function ensureSeen(cells: Cell[], { as, from, to }: Columns, glyphs: Glyphs): void {
  if (cells.length === 0 || Math.ceil(to - 0.5) > Math.ceil(from - 0.5)) return;
  const column = Math.min(cells.length - 1, Math.max(0, Math.floor(from)));
  if (cells[column]?.as !== "failed") cells[column] = { glyph: glyphs[as], as };
}

function drawWork(
  cells: Cell[],
  { as, from, to }: Columns,
  { style, isSure }: { style: Style; isSure: boolean },
): void {
  const start = Math.max(0, Math.min(Math.round(from * 8), cells.length * 8 - 1));
  const end = Math.max(Math.round(to * 8), isSure ? start + 1 : start);
  for (let column = Math.floor(start / 8); column < Math.min(cells.length, Math.ceil(end / 8)); column++) {
    const left = Math.max(0, start - column * 8);
    const right = Math.min(8, end - column * 8);
    if (right > left) cells[column] = { glyph: style.unicode ? block(left, right) : asciiGlyphs.worked, as };
  }
}

/** The block closest to the stretch from `left` to `right`, in eighths of a column. */
function block(left: number, right: number): string {
  const size = right - left;
  if (left + right <= 8 || size >= 6) return leftEighths[size] ?? " ";
  // Unicode has only these two right-aligned blocks.
  return size >= 3 ? "▐" : "▕";
}

function paintRuns(cells: readonly Cell[], style: Style): string {
  const colours = segmentPaint(style);
  let text = "";
  for (let from = 0; from < cells.length; ) {
    const as = cells[from]?.as;
    let to = from;
    while (to < cells.length && cells[to]?.as === as) to += 1;
    const run = cells
      .slice(from, to)
      .map(({ glyph }) => glyph)
      .join("");
    text += as ? colours[as](run) : run;
    from = to;
  }
  return text;
}
