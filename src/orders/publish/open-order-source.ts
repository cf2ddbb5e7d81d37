import { createReadStream } from "node:fs";
import { typed } from "../../cli/connection-flags.ts";
import { OrderctlError } from "../../core/errors.ts";
import { untilAborted } from "../../core/waiting.ts";
import type { ByteInput } from "../../publish/files/file-bytes.ts";
import type { Reject } from "../../publish/files/reject.ts";
import { nowUs } from "../../telemetry/clock.ts";
import type { OrderCreated } from "../events.ts";
import { createOrderGenerator, randomSeed } from "../generator.ts";
import { isCurrency } from "../money.ts";
import { parseMapping } from "../sources/column-mapping.ts";
import { readCsvOrders } from "../sources/csv-orders.ts";
import { compileDateFormat } from "../sources/date-format.ts";
import { readJsonOrders } from "../sources/json-orders.ts";
import type { SourceItem } from "../sources/source-item.ts";

/** `json` and `ndjson` are read alike: the reader recognises the form from the file's content. */
export const sourceFormats = ["csv", "json", "ndjson"] as const;
export type SourceFormat = (typeof sourceFormats)[number];

export type FileSource = {
  /** A path, or `-` for standard input. */
  file: string;
  format?: SourceFormat | undefined;
  currency?: string | undefined;
  map?: string | undefined;
  separator?: string | undefined;
  decimal?: "." | "," | undefined;
  skipLines?: number | undefined;
  dateFormat?: string | undefined;
  partial?: boolean | undefined;
};

/**
 * `count` synthetic orders, each created at the moment it is asked for, and the seed that makes the same orders with
 * the same ids again: the given one, or a random one if none is given.
 */
export function generateOrders(
  count: number,
  seed: number | undefined,
): { seed: number; orders: Generator<OrderCreated, void, void> } {
  const generator = createOrderGenerator({ seed: seed ?? randomSeed() });
  function* generate() {
    for (let index = 0; index < count; index += 1) yield generator.next(nowUs());
  }
  return { seed: generator.seed, orders: generate() };
}

type Reading = {
  stdin: ByteInput;
  onReject: (reject: Reject) => void;
  signal: AbortSignal;
  /** Called with how the reader interprets the file's dates, if its first lines do not decide it. */
  onNote?: (text: string) => void;
  /** Called with the number of lines read, until the first order is complete. */
  onRead?: (lines: number) => void;
};

/**
 * The orders of a file, read in bounded memory; rejected rows go to `onReject`. Throws `usage` immediately if the
 * options do not fit the file; the iteration throws `bad_message` if the file has neither orders nor rejects. Rejects
 * with the signal's reason when the signal aborts, even while a pipe sends no data.
 */
export function readOrders(source: FileSource, reading: Reading): AsyncGenerator<OrderCreated> {
  checkSource(source);
  return ordersOf(source, reading);
}

async function* ordersOf(source: FileSource, reading: Reading): AsyncGenerator<OrderCreated> {
  let isEmpty = true;
  for await (const item of openSource(source, reading)) {
    isEmpty = false;
    if ("order" in item) yield item.order;
    else reading.onReject(item.reject);
  }
  if (isEmpty) throw new OrderctlError("bad_message", `${nameOf(source)} holds no order`);
}

async function* untilStopped(input: ByteInput, signal: AbortSignal): ByteInput {
  const chunks = input[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await untilAborted(chunks.next(), signal);
      // An abort is not the end of the file: a row that was read in part must not be taken for a whole one.
      signal.throwIfAborted();
      if (!next || next.done) return;
      yield next.value;
    }
  } finally {
    // Not awaited: on a pipe without data, `return` settles only when the next data arrives.
    void chunks.return?.();
  }
}

function openSource(
  source: FileSource,
  { stdin, signal, onNote, onRead }: Reading,
): AsyncIterable<SourceItem> {
  const { file, currency, separator, decimal, skipLines, dateFormat, partial } = source;
  const input = untilStopped(file === "-" ? stdin : createReadStream(file), signal);
  const options = { fileName: nameOf(source), currency };
  if (formatOf(source) !== "csv") return readJsonOrders(input, options);
  return readCsvOrders(input, {
    ...options,
    mapping: source.map === undefined ? undefined : parseMapping(source.map),
    separator: separatorOf(separator, file),
    decimal,
    skipLines,
    dateFormat,
    partial,
    onNote,
    onRead,
  });
}

const nameOf = ({ file }: FileSource): string => (file === "-" ? "standard input" : file);

/** Options that apply to CSV files only. */
export const csvOptions = ["map", "separator", "decimal", "skipLines", "dateFormat", "partial"] as const;

/** Throws `usage` if the options do not fit each other; reads nothing of the file. */
export function checkSource(source: FileSource): void {
  const { currency, map, dateFormat, separator, file } = source;
  const misfit = csvOptions.find((option) => source[option]);
  if (misfit !== undefined && formatOf(source) !== "csv") {
    throw new OrderctlError("usage", `${typed(misfit)} is for CSV files only`);
  }
  if (currency !== undefined && !isCurrency(currency)) {
    throw new OrderctlError("usage", `--currency ${JSON.stringify(currency)} is not three capital letters`);
  }
  if (map !== undefined) parseMapping(map);
  if (dateFormat !== undefined) compileDateFormat(dateFormat);
  separatorOf(separator, file);
  formatOf(source);
}

function separatorOf(separator: string | undefined, file: string): string | undefined {
  if (separator === undefined) return /\.(tsv|tab)$/i.test(file) ? "\t" : undefined;
  if (separator === "tab" || separator === "\\t") return "\t";
  if ([...separator].length === 1 && !/["\r\n\w.+-]/.test(separator)) return separator;
  throw new OrderctlError("usage", `--separator ${JSON.stringify(separator)} cannot stand between columns`, {
    hint: "it is one character such as ; or |, or the word tab",
  });
}

function formatOf({ file, format }: FileSource): SourceFormat {
  if (format !== undefined) return format;
  if (/\.(csv|tsv|tab)$/i.test(file)) return "csv";
  if (/\.(json|ndjson|jsonl)$/i.test(file)) return "json";
  throw new OrderctlError("usage", `cannot tell the format of ${file}`, {
    hint: "say --format csv, --format json or --format ndjson",
  });
}
