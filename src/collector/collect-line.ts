import { formatCount, formatDuration } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import type { Style } from "../terminal/terminal.ts";
import type { Collected, Collecting } from "./command.ts";

/** Where spans are received, where they are stored and for how long, and how to stop the collector. */
export function collectLine(
  { endpoint, stream, broker, keepMs, maxBytes }: Collecting,
  style: Style,
): string {
  const { bold, dim } = paint(style);
  const limits = `(kept ${keptFor(keepMs)}, at most ${formatBytes(maxBytes)})`;
  const into = `into ${stream} on ${broker} ${limits}`;
  return `collecting spans at ${bold(`${endpoint}/v1/traces`)} ${into} ${dim("- stop with Ctrl-C")}`;
}

const hourMs = 3_600_000;

/** In the form in which `--keep` is given: `24h`, not `1d00h`. */
const keptFor = (ms: number): string => (ms % hourMs === 0 ? `${ms / hourMs}h` : formatDuration(ms));

const units = ["KiB", "MiB", "GiB", "TiB"];

function formatBytes(bytes: number): string {
  const power = Math.min(units.length, Math.floor(Math.log2(Math.max(bytes, 1024)) / 10));
  return `${(bytes / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}

/** How much a collector stored, rejected and refused. */
export function collectSummary({ spans, rejected, refused, traces }: Collected): string {
  const holds = traces === null ? "" : `; TRACES holds ${counted(traces, "trace")}`;
  const not = [
    rejected > 0 ? `${counted(rejected, "span")} rejected` : "",
    refused > 0 ? `${counted(refused, "request")} refused` : "",
  ].filter(Boolean);
  return `stored ${[counted(spans, "span"), ...not].join(", ")}${holds}`;
}

const counted = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
