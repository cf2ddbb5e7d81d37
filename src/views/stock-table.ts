import type { StockLevel } from "../pipeline/stock-level.ts";
import type { Style } from "../terminal.ts";
import { formatCount } from "./format.ts";
import { paint } from "./paint.ts";
import { table } from "./table.ts";

const columns = [
  { title: "sku" },
  { title: "available", align: "right" },
  { title: "reserved", align: "right" },
  { title: "held", align: "right" },
] as const;

/** How much there is in all, then a row for each SKU; an empty shelf is marked. */
export function stockTable({ items }: { items: readonly StockLevel[] }, style: Style): string {
  if (items.length === 0) return "nothing was ever stocked; stock something with `orderctl inventory set`";
  const rows = items.map(({ sku, available, reserved, held }) => [
    sku,
    available === 0 ? "sold out" : formatCount(available),
    formatCount(reserved),
    formatCount(held),
  ]);
  const { yellow } = paint(style);
  const soldOut = items.map(({ available }) => available === 0);
  const body = table({ columns, rows }, style, (text, { row }) => (soldOut[row] ? yellow(text) : text));
  return `${headline(items)}\n\n${body}`;
}

function headline(items: readonly StockLevel[]): string {
  const sum = (field: "available" | "reserved") =>
    formatCount(items.reduce((total, item) => total + item[field], 0));
  const skus = items.length === 1 ? "1 SKU" : `${formatCount(items.length)} SKUs`;
  return `${skus}: ${sum("available")} units available, ${sum("reserved")} reserved`;
}
