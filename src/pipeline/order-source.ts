import { createReadStream } from "node:fs";
import { OrderctlError } from "../errors.ts";
import type { OrderCreated } from "../orders/events.ts";
import { createOrderGenerator } from "../orders/generator.ts";
import { parseMapping } from "../orders/sources/column-mapping.ts";
import { readCsvOrders } from "../orders/sources/csv-orders.ts";
import { readNdjsonOrders } from "../orders/sources/ndjson-orders.ts";
import type { ByteInput, Reject, SourceItem } from "../orders/sources/order-source.ts";
import { nowUs } from "../telemetry/clock.ts";
import { untilAborted } from "../until-aborted.ts";

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

type Reading = { stdin: ByteInput; onReject: (reject: Reject) => void; signal: AbortSignal };

/**
 * The orders of a file, in constant memory; what is no order goes to `onReject`. Rejects with the signal's reason when that
 * aborts while the file has nothing to tell, as a pipe may for long.
 */
export async function* readOrders(
  source: FileSource,
  { stdin, onReject, signal }: Reading,
): AsyncGenerator<OrderCreated> {
  for await (const item of openSource(source, { stdin, signal })) {
    if ("order" in item) yield item.order;
    else onReject(item.reject);
  }
}

async function* untilStopped(input: ByteInput, signal: AbortSignal): ByteInput {
  const chunks = input[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await untilAborted(chunks.next(), signal);
      // Not an end: half a row is none.
      signal.throwIfAborted();
      if (!next || next.done) return;
      yield next.value;
    }
  } finally {
    // A pipe that has nothing to tell answers this only once it has.
    void chunks.return?.();
  }
}

function openSource(
  { file, format, map, currency }: FileSource,
  { stdin, signal }: Pick<Reading, "stdin" | "signal">,
): AsyncIterable<SourceItem> {
  const chosen = format ?? formatOf(file);
  if (map !== undefined && chosen !== "csv") throw new OrderctlError("usage", "--map is for CSV files only");
  const input = untilStopped(file === "-" ? stdin : createReadStream(file), signal);
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
