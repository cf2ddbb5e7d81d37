import { formatDuration } from "../../terminal/format.ts";
import { paint } from "../../terminal/paint.ts";
import type { Style } from "../../terminal/terminal.ts";
import type { TracePicture } from "../picture.ts";
import type { TraceRow } from "../rows.ts";
import { bar } from "./bars.ts";
import { rowLabel, rowText, treeLeads, widestOf } from "./labels.ts";
import { fitToWidth, safeText } from "./text.ts";

type Column = { title: string; cells: string[]; align: "left" | "right"; width: number };

const gap = "  ";
const barWidth = { least: 16, enough: 24, good: 30, most: 80 };
const longestName = 28;

/** `shares` adds a column with each row's share of the critical path. */
export type ColumnOptions = { shares: boolean };

/**
 * Lays out rows under a line of titles: tree, bar, duration, further columns as the width allows, and how each row
 * ended. `named` tells whether there is a column for instances; `textWidth` is the width of the last column.
 */
export function traceColumns(
  { rows, criticalPath, fromMs, toMs }: TracePicture,
  { shares }: ColumnOptions,
  style: Style,
): { lines: string[]; named: boolean; textWidth: number } {
  const { dim } = paint(style);
  const tree = treeColumn(rows, style);
  const took = timeColumn(
    "took",
    rows.map(({ tookMs }) => tookMs),
  );
  const share = shares ? [shareColumn(rows, criticalPath.totalMs)] : [];
  const texts = textColumn(
    "",
    rows.map((row) => rowText(row, style)),
  );
  const room = style.width - widthOf([tree, took, ...share]) - gap.length;
  texts.width = textWidthIn(room, { rows, texts: texts.cells });
  const { extra, left } = chooseColumns(rows, room - texts.width, style);
  const scale = {
    fromMs,
    totalMs: toMs - fromMs,
    width: Math.min(barWidth.most, Math.max(barWidth.least, left)),
  };
  const cell = (column: Column, text: string) =>
    fitToWidth(text, column.width, { ...style, align: column.align });
  const titles = [tree, { ...tree, width: scale.width }, took, ...share, ...extra].map((one) =>
    cell(one, one.title),
  );
  const lines = rows.map((row, index) => {
    const at = (column: Column) => cell(column, column.cells[index] ?? "");
    const label = row.is === "pending" ? dim(at(tree)) : at(tree);
    const facts = [...share.map(at), ...extra.map((column) => dim(at(column)))];
    const text = toneOf(row, style)(at(texts).trimEnd());
    return [label, bar(row.segments, scale, style), at(took), ...facts, text].join(gap).trimEnd();
  });
  const named = extra.some(({ title }) => title === "instance");
  return { lines: [dim(titles.join(gap).trimEnd()), ...lines], named, textWidth: texts.width };
}

function treeColumn(rows: readonly TraceRow[], style: Style): Column {
  const leads = treeLeads(rows, style);
  const labels = (width: number) =>
    rows.map((row, index) => rowLabel(row, { lead: leads[index] ?? "", width }, style));
  const natural = widestOf(labels(style.width));
  const width = Math.min(natural, Math.max(30, Math.floor(style.width * 0.4)));
  return { ...textColumn("", labels(width)), width };
}

/** Shows errors in full where there is room, but never lets them shrink the bars. */
function textWidthIn(room: number, { rows, texts }: { rows: readonly TraceRow[]; texts: string[] }): number {
  const usual = widestOf(texts.filter((_, index) => rows[index]?.error === null));
  const wanted = Math.max(usual, Math.min(widestOf(texts), room - barWidth.good));
  return Math.min(wanted, Math.max(12, room - barWidth.least));
}

/** Adds columns in order of importance, each at full width or not at all; the instance column comes last. */
function chooseColumns(
  rows: readonly TraceRow[],
  room: number,
  style: Style,
): { extra: Column[]; left: number } {
  const named = (title: "instance" | "service"): Column => {
    const column = textColumn(
      title,
      rows.map((row) => safeText(row[title] ?? "", style)),
    );
    return { ...column, width: Math.min(column.width, longestName) };
  };
  const instances = named("instance");
  const several = new Set(rows.slice(1).map(({ instance }) => instance ?? "")).size > 1;
  let left = room;
  const ifItFits = (columns: Column[]): Column[] => {
    const isEmpty = columns.every(({ cells }) => cells.every((text) => text === ""));
    if (isEmpty || left - widthOf(columns) < barWidth.enough) return [];
    left -= widthOf(columns);
    return columns;
  };
  const last = several && instances.width < longestName ? ifItFits([instances]) : [];
  const times = rows.some(({ is }) => is === "event") ? ifItFits(timesOf(rows)) : [];
  return { extra: [...times, ...ifItFits([named("service")]), ...last], left };
}

/** Times of event rows only. `worked` includes calls and failures, which are part of the work. */
function timesOf(rows: readonly TraceRow[]): Column[] {
  const isHeld = rows.some(({ is, segments }) => is === "event" && segments.some(({ as }) => as === "held"));
  const sums = (kinds: readonly string[]) =>
    rows.map(({ is, segments }) => {
      const isTold = is === "event" && segments.length > 1;
      const own = segments.filter(({ as }) => kinds.includes(as));
      return isTold ? own.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0) : null;
    });
  return [
    timeColumn("waited", sums(["waited"])),
    ...(isHeld
      ? [
          timeColumn(
            "held",
            sums(["held"]).map((ms) => ms || null),
          ),
        ]
      : []),
    timeColumn("worked", sums(["worked", "refused", "called", "failed"])),
    timeColumn("storing", sums(["storing"])),
  ];
}

function timeColumn(title: string, times: readonly (number | null)[]): Column {
  const cells = times.map((ms) => (ms === null ? "" : formatDuration(ms)));
  return { ...textColumn(title, cells), align: "right" };
}

function shareColumn(rows: readonly TraceRow[], totalMs: number): Column {
  const cells = rows.map(({ criticalMs }) => (criticalMs > 0 ? formatShare(criticalMs / totalMs) : ""));
  return { ...textColumn("share", cells), align: "right" };
}

/** `62%`, `<1%`. */
export const formatShare = (share: number): string =>
  share > 0 && share < 0.01 ? "<1%" : `${Math.round(100 * share)}%`;

const textColumn = (title: string, cells: string[]): Column => ({
  title,
  cells,
  align: "left",
  width: Math.max(title.length, widestOf(cells)),
});

/** The total width, including the gap after each column. */
const widthOf = (columns: readonly Column[]): number =>
  columns.reduce((sum, { width }) => sum + width + gap.length, 0);

function toneOf({ refused, error, is, failed, count }: TraceRow, style: Style): (text: string) => string {
  const { red, yellow } = paint(style);
  if (refused || (is === "span" && error !== null && failed === count)) return red;
  return is === "pending" || error !== null ? yellow : (text) => text;
}
