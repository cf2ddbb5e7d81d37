import { paint } from "./paint.ts";
import type { Style } from "./terminal.ts";

export type Column = { title: string; align?: "left" | "right" };

type Cells = { columns: readonly Column[]; rows: readonly (readonly string[])[] };

/**
 * Columns under grey titles, two blanks apart; the first column gives way when the width does not suffice. `cells`
 * are plain text; `mark` may colour a padded cell, without changing its width.
 */
export function table(
  { columns, rows }: Cells,
  style: Style,
  mark: (padded: string, cell: { row: number; column: number }) => string = (padded) => padded,
): string {
  const widths = columnWidths({ columns, rows }).map((width) => Math.min(width, widestCell(style)));
  widths[0] = Math.max(12, (widths[0] ?? 0) - Math.max(0, sumOf(widths) - style.width));
  const aligned = (text: string, index: number) =>
    pad(text, widths[index] ?? 0, columns[index]?.align ?? "left");
  const head = paint(style).dim(
    columns
      .map(({ title }, index) => aligned(title, index))
      .join("  ")
      .trimEnd(),
  );
  const body = rows.map((cells, row) =>
    cells
      .map((cell, column) => mark(aligned(cell, column), { row, column }))
      .join("  ")
      .trimEnd(),
  );
  return [head, ...body].join("\n");
}

/** How wide the table is where nothing gives way. */
export const tableWidth = (cells: Cells): number => sumOf(columnWidths(cells));

/** One cell that a stranger made long does not make all rows so; JSON has it whole. */
export const widestCell = ({ width }: Style): number => Math.max(60, Math.min(width, 200));

const columnWidths = ({ columns, rows }: Cells): number[] =>
  columns.map(({ title }, index) => longest(rows, index, title.length));

/** There may be more rows than a function takes arguments. */
export const longest = (rows: readonly (readonly string[])[], column: number, least: number): number =>
  rows.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), least);

const sumOf = (widths: number[]): number => widths.reduce((sum, width) => sum + width + 2, -2);

function pad(text: string, width: number, align: "left" | "right"): string {
  const cut = text.length > width ? `${text.slice(0, width - 1)}~` : text;
  return align === "right" ? cut.padStart(width) : cut.padEnd(width);
}
