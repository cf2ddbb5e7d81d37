import { formatDuration } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import type { Style } from "../terminal/terminal.ts";
import type { Collecting } from "./command.ts";

/** Where spans are taken, where they are stored and for how long, and how to stop it. */
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

/** As it is asked for: `24h`, not a day. */
const keptFor = (ms: number): string => (ms % hourMs === 0 ? `${ms / hourMs}h` : formatDuration(ms));

const units = ["KiB", "MiB", "GiB", "TiB"];

function formatBytes(bytes: number): string {
  const power = Math.min(units.length, Math.floor(Math.log2(Math.max(bytes, 1024)) / 10));
  return `${(bytes / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}
