import type { TimelineHop } from "../pipeline/order-timeline.ts";
import type { Style } from "../terminal.ts";
import { bar } from "./bars.ts";
import { formatDuration } from "./format.ts";
import type { OrderRow } from "./order-rows.ts";
import { paint } from "./paint.ts";
import { cutEnd, cutMiddle, printable } from "./plain-text.ts";

type Column = { title: string; cells: string[]; align: "left" | "right"; width: number };

const gap = "  ";
const barWidth = { least: 16, enough: 24, most: 80 };
const instanceWidth = { least: 12, most: 28 };

/** The processes that handled events of the order, without the one that published it. */
export const workersOf = (hops: readonly TimelineHop[]): string[] => [
  ...new Set(hops.filter(({ kind }) => kind !== "created").flatMap(({ instance }) => instance ?? [])),
];

/** Lays rows out under a line of titles: tree, bar, time taken, what else the width allows, and the outcome. */
export function orderColumns(rows: readonly OrderRow[], totalMs: number, style: Style): string[] {
  const { dim } = paint(style);
  const tree = textColumn(
    "",
    rows.map(({ label }) => label),
  );
  const took = timeColumn(
    "took",
    rows.map(({ tookMs }) => tookMs),
  );
  const outcome = textColumn(
    "",
    rows.map((row) => row.outcome),
  );
  const { extra, width } = shareWidth({ rows, outcome, taken: widthOf([tree, took]) }, style);
  const scale = { totalMs, width };
  const titles = [
    " ".repeat(tree.width),
    " ".repeat(width),
    ...[took, ...extra].map((one) => cell(one, one.title, style)),
  ];
  const lines = rows.map((row, index) => {
    const at = (column: Column) => cell(column, column.cells[index] ?? "", style);
    const label = row.tone === "waiting" ? dim(at(tree)) : at(tree);
    const facts = extra.map((column) => dim(at(column)));
    const said = toneOf(row, style)(cutEnd(row.outcome, outcome.width, style));
    return [label, bar(row.segments, scale, style), at(took), ...facts, said].join(gap).trimEnd();
  });
  return [dim(titles.join(gap).trimEnd()), ...lines];
}

/** Shares the width: the bar keeps its least, the outcome as much as it needs, then come the extra columns. */
function shareWidth(
  { rows, outcome, taken }: { rows: readonly OrderRow[]; outcome: Column; taken: number },
  style: Style,
): { extra: Column[]; width: number } {
  const hops = rows.map(({ hop }) => hop);
  const workers = workersOf(hops.flatMap((hop) => hop ?? []));
  const instances = textColumn(
    "instance",
    hops.map((hop) => printable(hop?.instance ?? "")),
  );
  const free = style.width - taken;
  const kept = workers.length > 1 ? instanceWidth.least + gap.length : 0;
  outcome.width = Math.min(outcome.width, Math.max(12, free - gap.length - barWidth.least - kept));
  let room = free - gap.length - outcome.width;
  const extra: Column[] = [];
  const add = (columns: Column[], least: number) => {
    if (room - widthOf(columns) < least) return;
    room -= widthOf(columns);
    extra.push(...columns);
  };
  add(timesOf(hops), workers.length > 1 ? barWidth.enough + instanceWidth.most : barWidth.enough);
  add(
    [
      textColumn(
        "service",
        hops.map((hop) => printable(hop?.service ?? "")),
      ),
    ],
    barWidth.enough + instanceWidth.most,
  );
  if (workers.length > 1) {
    const spare = room - gap.length - barWidth.enough;
    instances.width = Math.min(instances.width, instanceWidth.most, Math.max(instanceWidth.least, spare));
    add([instances], barWidth.least);
  }
  return { extra, width: Math.min(barWidth.most, Math.max(barWidth.least, room)) };
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

function cell({ align, width }: Column, text: string, style: Style): string {
  const cut = cutMiddle(text, width, style);
  return align === "right" ? cut.padStart(width) : cut.padEnd(width);
}

function toneOf({ tone }: OrderRow, style: Style): (text: string) => string {
  const { red, yellow } = paint(style);
  return { normal: (text: string) => text, refused: red, waiting: yellow }[tone];
}
