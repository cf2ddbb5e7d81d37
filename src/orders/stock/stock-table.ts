import { formatCount } from "../../terminal/format.ts";
import { paint } from "../../terminal/paint.ts";
import { wrapWords } from "../../terminal/plain-text.ts";
import { table } from "../../terminal/table.ts";
import type { Style } from "../../terminal/terminal.ts";
import type { StockLevel } from "./read-stock.ts";

const columns = [
  { title: "sku" },
  { title: "available", align: "right" },
  { title: "reserved", align: "right" },
  { title: "held", align: "right" },
] as const;

/** The totals, then one row for each SKU; rows of SKUs that are sold out or unreadable are marked. */
export function stockTable({ items }: { items: readonly StockLevel[] }, style: Style): string {
  if (items.length === 0) return "nothing was ever stocked; stock something with `orderctl inventory set`";
  const rows = items.map(stockRow);
  const { yellow } = paint(style);
  const marked = items.map(({ available }) => available === 0 || available === null);
  const body = table({ columns, rows }, style, (text, { row }) => (marked[row] ? yellow(text) : text));
  const errors = items.flatMap(({ error }) => (error === null ? [] : wrapWords(error, style.width)));
  return [headline(items), body, ...(errors.length > 0 ? [errors.join("\n")] : [])].join("\n\n");
}

function stockRow({ sku, ...level }: StockLevel): string[] {
  if (level.error !== null) return [sku, "unreadable", "?", "?"];
  const { available, reserved, held } = level;
  return [
    sku,
    available === 0 ? "sold out" : formatCount(available),
    formatCount(reserved),
    formatCount(held),
  ];
}

function headline(items: readonly StockLevel[]): string {
  const sum = (field: "available" | "reserved") =>
    formatCount(items.reduce((total, item) => total + (item[field] ?? 0), 0));
  const unreadable = items.filter(({ error }) => error !== null).length;
  const told = unreadable === 0 ? "" : `; ${unreadable} cannot be read`;
  const skus = items.length === 1 ? "1 SKU" : `${formatCount(items.length)} SKUs`;
  return `${skus}: ${sum("available")} units available, ${sum("reserved")} reserved${told}`;
}
