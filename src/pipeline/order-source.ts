import { createReadStream } from "node:fs";
import { OrderctlError } from "../errors.ts";
import type { OrderCreated } from "../orders/events.ts";
import { createOrderGenerator } from "../orders/generator.ts";
import { parseMapping } from "../orders/sources/column-mapping.ts";
import { readCsvOrders } from "../orders/sources/csv-orders.ts";
import { readNdjsonOrders } from "../orders/sources/ndjson-orders.ts";
import type { ByteInput, Reject, SourceItem } from "../orders/sources/order-source.ts";
import { nowUs } from "../telemetry/clock.ts";

export type SourceFormat = "csv" | "ndjson";

export type FileSource = {
  /** A path, or `-` for standard input. */
  file: string;
  format?: SourceFormat | undefined;
  map?: string | undefined;
  currency?: string | undefined;
};

/** `count` synthetic orders, each created at the moment it is asked for, and the seed they come from. */
export function generateOrders(
  count: number,
  seed: number | undefined,
): { seed: number; orders: Generator<OrderCreated, void, void> } {
  const generator = createOrderGenerator({ seed });
  function* generate() {
    for (let index = 0; index < count; index += 1) yield generator.next(nowUs());
  }
  return { seed: generator.seed, orders: generate() };
}

/** The orders of a file, in constant memory; what is no order goes to `onReject`. */
export async function* readOrders(
  source: FileSource,
  stdin: ByteInput,
  onReject: (reject: Reject) => void,
): AsyncGenerator<OrderCreated> {
  for await (const item of openSource(source, stdin)) {
    if ("order" in item) yield item.order;
    else onReject(item.reject);
  }
}

function openSource(
  { file, format, map, currency }: FileSource,
  stdin: ByteInput,
): AsyncIterable<SourceItem> {
  const chosen = format ?? formatOf(file);
  if (map !== undefined && chosen !== "csv") throw new OrderctlError("usage", "--map is for CSV files only");
  const input = file === "-" ? stdin : createReadStream(file);
  const fileName = file === "-" ? "standard input" : file;
  if (chosen === "ndjson") return readNdjsonOrders(input, { fileName, currency });
  return readCsvOrders(input, {
    fileName,
    currency,
    mapping: map === undefined ? undefined : parseMapping(map),
  });
}

function formatOf(file: string): SourceFormat {
  if (/\.csv$/i.test(file)) return "csv";
  if (/\.(ndjson|jsonl)$/i.test(file)) return "ndjson";
  throw new OrderctlError("usage", `cannot tell the format of ${file}`, {
    hint: "say --format csv or --format ndjson",
  });
}
