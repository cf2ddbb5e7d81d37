import type { TimelineHop } from "../pipeline/order-timeline.ts";
import type { Style } from "../terminal.ts";
import { bar } from "./bars.ts";
import { formatDuration } from "./format.ts";
import type { OrderRow } from "./order-rows.ts";
import { paint } from "./paint.ts";
import { cutEnd, printable } from "./plain-text.ts";

type Column = { title: string; cells: string[]; align: "left" | "right"; width: number };

const gap = "  ";
const barWidth = { least: 16, enough: 24, most: 80 };
const longestInstance = 28;

/** The processes that handled events of the order, without the one that published it. */
export const workersOf = (hops: readonly TimelineHop[]): string[] => [
  ...new Set(hops.filter(({ kind }) => kind !== "created").flatMap(({ instance }) => instance ?? [])),
];

/**
 * Lays rows out under a line of titles: tree, bar, time taken, what else the width allows, and the outcome.
 * `named` is true where a column tells which instance did what.
 */
export function orderColumns(
  rows: readonly OrderRow[],
  totalMs: number,
  style: Style,
): { lines: string[]; named: boolean } {
  const { dim } = paint(style);
  const tree = textColumn(
    "",
    rows.map(({ label }) => label),
  );
  const took = timeColumn(
    "took",
    rows.map(({ tookMs }) => tookMs),
  );
  const outcomes = textColumn(
    "",
    rows.map(({ outcome }) => outcome),
  );
  const room = style.width - widthOf([tree, took]) - gap.length;
  outcomes.width = Math.min(outcomes.width, Math.max(12, room - barWidth.least));
  const { extra, left } = chooseColumns(rows, room - outcomes.width);
  const scale = { totalMs, width: Math.min(barWidth.most, Math.max(barWidth.least, left)) };
  const titles = [tree, { ...tree, width: scale.width }, took, ...extra].map((one) => cell(one, one.title));
  const lines = rows.map((row, index) => {
    const at = (column: Column) => cell(column, column.cells[index] ?? "");
    const label = row.tone === "waiting" ? dim(at(tree)) : at(tree);
    const facts = extra.map((column) => dim(at(column)));
    const outcome = toneOf(row, style)(cutEnd(row.outcome, outcomes.width, style));
    return [label, bar(row.segments, scale, style), at(took), ...facts, outcome].join(gap).trimEnd();
  });
  const named = extra.some(({ title }) => title === "instance");
  return { lines: [dim(titles.join(gap).trimEnd()), ...lines], named };
}

/** In the order of their worth, each takes its full width or stays away; instances stand last of all. */
function chooseColumns(rows: readonly OrderRow[], room: number): { extra: Column[]; left: number } {
  const hops = rows.map(({ hop }) => hop);
  const named = (title: "instance" | "service") =>
    textColumn(
      title,
      hops.map((hop) => printable(hop?.[title] ?? "")),
    );
  const instances = named("instance");
  const several = workersOf(hops.flatMap((hop) => hop ?? [])).length > 1;
  let left = room;
  const ifItFits = (columns: Column[]): Column[] => {
    const isEmpty = columns.every(({ cells }) => cells.every((text) => text === ""));
    if (isEmpty || left - widthOf(columns) < barWidth.enough) return [];
    left -= widthOf(columns);
    return columns;
  };
  const last = several && instances.width <= longestInstance ? ifItFits([instances]) : [];
  const extra = [...ifItFits(timesOf(hops)), ...ifItFits([named("service")]), ...last];
  return { extra, left };
}

const timesOf = (hops: readonly (TimelineHop | null)[]): Column[] => [
  timeColumn(
    "waited",
    hops.map((hop) => hop?.waitedMs ?? null),
  ),
  timeColumn(
    "worked",
    hops.map((hop) => hop?.workedMs ?? null),
  ),
  timeColumn(
    "storing",
    hops.map((hop) => hop?.storingMs ?? null),
  ),
];

function timeColumn(title: string, times: readonly (number | null)[]): Column {
  const cells = times.map((ms) => (ms === null ? "" : formatDuration(ms)));
  return { ...textColumn(title, cells), align: "right" };
}

const textColumn = (title: string, cells: string[]): Column => ({
  title,
  cells,
  align: "left",
  width: Math.max(title.length, ...cells.map(({ length }) => length)),
});

/** With the gap that follows each. */
const widthOf = (columns: readonly Column[]): number =>
  columns.reduce((sum, { width }) => sum + width + gap.length, 0);

const cell = ({ align, width }: Column, text: string): string =>
  align === "right" ? text.padStart(width) : text.padEnd(width);

function toneOf({ tone }: OrderRow, style: Style): (text: string) => string {
  const { red, yellow } = paint(style);
  return { normal: (text: string) => text, refused: red, waiting: yellow }[tone];
}
