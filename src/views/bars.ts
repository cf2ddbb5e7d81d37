import type { Style } from "../terminal.ts";
import { paint } from "./paint.ts";

/** A stretch of time, in ms from the left edge. `refused` is work that ended in a no. */
export type Segment = {
  as: "waited" | "worked" | "refused" | "storing" | "unknown";
  fromMs: number;
  toMs: number;
};

/** Width in columns of `totalMs`. */
export type Scale = { totalMs: number; width: number };

type Glyphs = Record<Segment["as"], string>;

const unicodeGlyphs: Glyphs = { waited: "·", worked: "█", refused: "█", storing: "▒", unknown: "╌" };
const asciiGlyphs: Glyphs = { waited: ".", worked: "#", refused: "#", storing: "=", unknown: "-" };
const leftEighths = " ▏▎▍▌▋▊▉█";

export const glyphsOf = ({ unicode }: Style): Glyphs => (unicode ? unicodeGlyphs : asciiGlyphs);

/** Every kind of time has a character of its own; the colour comes on top. */
export function segmentPaint(style: Style): Record<Segment["as"], (text: string) => string> {
  const { dim, cyan, red, blue } = paint(style);
  return { waited: dim, worked: cyan, refused: red, storing: blue, unknown: dim };
}

/**
 * Draws consecutive segments to scale, padded to the scale's width. Work is exact to an eighth of a column and is
 * always seen, however short; the rest shows where it fills the middle of a column.
 */
export function bar(segments: readonly Segment[], scale: Scale, style: Style): string {
  const columns = Array.from({ length: scale.width }, (_, column) =>
    drawColumn(segments, { column, scale }, style),
  );
  const colours = segmentPaint(style);
  let text = "";
  for (let from = 0; from < columns.length; ) {
    const as = columns[from]?.as;
    let to = from;
    while (to < columns.length && columns[to]?.as === as) to += 1;
    const run = columns.slice(from, to).map(({ glyph }) => glyph);
    text += as ? colours[as](run.join("")) : run.join("");
    from = to;
  }
  return text;
}

type Drawn = { glyph: string; as?: Segment["as"] };

function drawColumn(
  segments: readonly Segment[],
  { column, scale }: { column: number; scale: Scale },
  style: Style,
): Drawn {
  const perMs = scale.totalMs > 0 ? scale.width / scale.totalMs : 0;
  const work = segments.find(({ as }) => as === "worked" || as === "refused");
  if (work) {
    const glyph = workGlyph({ from: work.fromMs * perMs, to: work.toMs * perMs }, { column, scale }, style);
    if (glyph) return { glyph, as: work.as };
  }
  const middle = column + 0.5;
  const found = segments.find(({ fromMs, toMs }) => fromMs * perMs <= middle && middle < toMs * perMs);
  return found ? { glyph: glyphsOf(style)[found.as], as: found.as } : { glyph: " " };
}

/** The block for work from `from` to `to` columns where it touches `column`, else undefined. */
function workGlyph(
  { from, to }: { from: number; to: number },
  { column, scale }: { column: number; scale: Scale },
  style: Style,
): string | undefined {
  const start = Math.min(Math.round(from * 8), scale.width * 8 - 1);
  const end = Math.max(Math.round(to * 8), start + 1);
  const left = Math.max(0, start - column * 8);
  const right = Math.min(8, end - column * 8);
  if (right <= left) return undefined;
  if (!style.unicode) return asciiGlyphs.worked;
  const size = right - left;
  if (left + right <= 8 || size >= 6) return leftEighths[size];
  // Of the blocks that stand on the right there are only these two.
  return size >= 3 ? "▐" : "▕";
}
