import { paint } from "./paint.ts";
import type { Style } from "./terminal.ts";

export type Column = { title: string; align?: "left" | "right" };

type Cells = { columns: readonly Column[]; rows: readonly (readonly string[])[] };

/**
 * Columns under grey titles, two spaces apart; the first column is cut if the table is wider than the terminal. Cells
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

/** The width of the table if no cell is cut. */
export const tableWidth = (cells: Cells): number => sumOf(columnWidths(cells));

/**
 * The maximum width of a cell, so that one very long foreign text does not widen all rows; JSON output has it uncut.
 */
export const widestCell = ({ width }: Style): number => Math.max(60, Math.min(width, 200));

const columnWidths = ({ columns, rows }: Cells): number[] =>
  columns.map(({ title }, index) => longest(rows, index, title.length));

/**
 * The length of the longest cell of a column, at least `least`. Not with `Math.max(...)`: there may be more rows than a
 * function takes arguments.
 */
export const longest = (rows: readonly (readonly string[])[], column: number, least: number): number =>
  rows.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), least);

const sumOf = (widths: number[]): number => widths.reduce((sum, width) => sum + width + 2, -2);

function pad(text: string, width: number, align: "left" | "right"): string {
  const cut = text.length > width ? `${text.slice(0, width - 1)}~` : text;
  return align === "right" ? cut.padStart(width) : cut.padEnd(width);
}
