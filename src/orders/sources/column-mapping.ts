import { OrderctlError } from "../../core/errors.ts";

const requiredColumns = ["order", "sku", "quantity", "price"] as const;
const optionalColumns = ["customer", "date", "currency"] as const;

export type Column = (typeof requiredColumns)[number] | (typeof optionalColumns)[number];

/** The header name of each column in a file. */
export type ColumnMapping = Partial<Record<Column, string>>;

/** The index of each column in a row; optional columns may be absent. */
export type ColumnPositions = Record<(typeof requiredColumns)[number], number> &
  Partial<Record<Column, number>>;

/** The header of the public "Online Retail" files, whose prices are in pounds. */
const retailMapping: Record<Column, string> = {
  order: "InvoiceNo",
  sku: "StockCode",
  quantity: "Quantity",
  price: "UnitPrice",
  customer: "CustomerID",
  date: "InvoiceDate",
  currency: "Currency",
};

const columns: readonly string[] = [...requiredColumns, ...optionalColumns];

/** Reads a flag like `order=Invoice,sku=Item`; columns not named keep their retail name. Throws `usage`. */
export function parseMapping(text: string): ColumnMapping {
  const pairs = text.split(",").map((pair) => {
    const [column = "", ...header] = pair.split("=");
    const name = header.join("=").trim();
    if (!columns.includes(column.trim()) || name === "") {
      throw new OrderctlError("usage", `${JSON.stringify(pair)} does not map a column`, {
        hint: `write column=Header, the columns are ${columns.join(", ")}`,
      });
    }
    return [column.trim(), name];
  });
  return Object.fromEntries(pairs) as ColumnMapping;
}

/**
 * Finds the columns in a header, regardless of case and of spaces around the names. Returns a string, for people, if a
 * column is missing or appears twice.
 */
export function locateColumns(header: readonly string[], mapping: ColumnMapping): ColumnPositions | string {
  const names = header.map(plainName);
  const found: Partial<Record<Column, number>> = {};
  for (const column of [...requiredColumns, ...optionalColumns]) {
    const name = mapping[column] ?? retailMapping[column];
    const position = names.indexOf(plainName(name));
    const needed = mapping[column] !== undefined || requiredColumns.some((required) => required === column);
    if (position >= 0) found[column] = position;
    else if (needed) return `it has no column ${JSON.stringify(name)} (${column})`;
  }
  const twice = names.find((name, index) => name !== "" && names.indexOf(name) !== index);
  if (twice !== undefined) return `it has the column ${JSON.stringify(twice)} twice`;
  return found as ColumnPositions;
}

const plainName = (name: string): string => name.trim().normalize().toLowerCase();
