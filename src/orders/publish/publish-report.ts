import { operand } from "../../core/foreign-text.ts";
import type { FeedReport } from "../../publish/feed.ts";
import { formatCount, formatDuration, formatRate } from "../../terminal/format.ts";
import { paint } from "../../terminal/paint.ts";
import type { Style } from "../../terminal/terminal.ts";
import type { Reject } from "../sources/source-item.ts";
import type { DryRun } from "./dry-run.ts";

export type PublishReport = FeedReport & {
  seed: number | null;
  file: string | null;
  /** Number of rows of the file that are not stored; `rejectsShown` has the first of them. */
  rejected: number;
  rejectsShown: Reject[];
  /** Command that stores the missing orders of a run that ended early; `null` for any other run. */
  resumeCommand: string | null;
};

/** How many orders are stored, how they ended, and which rows were rejected. */
export function publishReport(report: PublishReport, style: Style): string {
  const parts = [
    headline(report),
    ...unknown(report),
    ...endings(report),
    ...conflicts(report),
    ...blocked(report),
    ...rejectLines(report),
  ];
  const { dim } = paint(style);
  if (report.firstOrderId) parts.push(dim(`follow one: orderctl trace ${operand(report.firstOrderId)}`));
  parts.push(...goOn(report));
  return parts.join("\n");
}

function unknown({ unknown: count }: PublishReport): string[] {
  return count === 0 ? [] : [`${orders(count)} beside these may be stored: the broker's answer did not come`];
}

function goOn({ resumeCommand, file }: PublishReport): string[] {
  if (resumeCommand === null) return [];
  const input = file === "-" ? " (with the same input)" : "";
  return [`to store what is missing${input}: ${resumeCommand}`];
}

function headline({ stored, duplicates, blocked, seconds, perSecond, seed, file }: PublishReport): string {
  const from = seed === null ? `from ${file}` : `seed ${seed}`;
  if (stored + duplicates === 0 && (file !== null || blocked > 0)) return `no order stored, ${from}`;
  if (stored === 0 && duplicates > 0) {
    const which = duplicates === 1 ? "the order was" : `all ${orders(duplicates)} were`;
    return `nothing new: ${which} already stored, ${from}`;
  }
  const pace = `in ${formatDuration(seconds * 1000)} (${formatRate(perSecond)})`;
  return `${orders(stored)} stored ${pace}, ${from}${already(duplicates)}`;
}

const already = (duplicates: number): string =>
  duplicates === 0 ? "" : `; ${formatCount(duplicates)} ${duplicates === 1 ? "was" : "were"} already stored`;

const orders = (count: number): string => `${formatCount(count)} ${count === 1 ? "order" : "orders"}`;

function endings({ endings, stored }: PublishReport): string[] {
  if (!endings || (endings.ended === 0 && stored === 0)) return [];
  const { ended, outcomes, latency } = endings;
  const how = Object.entries(outcomes).map(
    ([outcome, count]) => `${formatCount(count)} ${outcome.toLowerCase()}`,
  );
  const lines = [`${orders(ended)} ended: ${how.join(", ")}`];
  if (latency) {
    const { p50Ms, p99Ms, p999Ms, maxMs } = latency;
    const [p50, p99, p999, max] = [p50Ms, p99Ms, p999Ms, maxMs].map(formatDuration);
    lines.push(`created to ended: p50 ${p50}, p99 ${p99}, p99.9 ${p999}, max ${max}`);
  }
  return lines;
}

function conflicts({ conflicts: count, conflicting }: PublishReport): string[] {
  return conflictLines({ count, conflicting, where: "what is stored" });
}

function blocked({ blocked: count, blockedBy }: PublishReport): string[] {
  if (count === 0) return [];
  const more = count - blockedBy.length;
  const rest = more > 0 ? [`  … and ${formatCount(more)} more`] : [];
  return [`${orders(count)} not stored:`, ...blockedBy.map((why) => `  ${why}`), ...rest];
}

type Conflicts = { count: number; conflicting: string[]; where: string };

export function conflictLines({ count, conflicting, where }: Conflicts): string[] {
  if (count === 0) return [];
  const what = count === 1 ? "1 order is another" : `${formatCount(count)} orders are others`;
  const rest = count > conflicting.length ? `, and ${formatCount(count - conflicting.length)} more` : "";
  return [`${what} than ${where} under the same id: ${conflicting.join(", ")}${rest}`];
}

/** The reasons quote the file; `terminal.show` has replaced control and invisible characters in them. */
export function rejectLines({
  rejected,
  rejectsShown,
  file,
}: Pick<PublishReport, "rejected" | "rejectsShown" | "file">): string[] {
  if (rejected === 0) return [];
  const rows = rejectsShown.map(({ row, reason }) => `  ${file}:${row}: ${reason}`);
  const more = rejected - rejectsShown.length;
  const rest = more > 0 ? [`  … and ${formatCount(more)} more; --rejects FILE keeps them all`] : [];
  return [`${formatCount(rejected)} ${rejected === 1 ? "row is" : "rows are"} rejected:`, ...rows, ...rest];
}

export type DryRunReport = DryRun & Pick<PublishReport, "rejected" | "rejectsShown"> & { file: string };

/** How many orders would be stored, their totals and dates; then conflicts and rejected rows. */
export function dryRunReport(report: DryRunReport): string {
  const { orders, repeated, conflicts, conflicting, file } = report;
  const again =
    repeated > 0 ? `; ${formatCount(repeated)} of them ${repeated === 1 ? "comes" : "come"} again` : "";
  const what = `${orders === 0 ? "no" : formatCount(orders)} ${orders === 1 ? "order" : "orders"}`;
  return [
    `dry run: ${what} would be stored, from ${file}${again}`,
    ...factsOf(report),
    ...conflictLines({ count: conflicts, conflicting, where: "what comes before" }),
    ...rejectLines(report),
  ].join("\n");
}

function factsOf({ orders, totals, earliest, latest }: DryRunReport): string[] {
  if (orders === 0) return [];
  const sums = totals.map(({ text }) => text).join(", ");
  const days = [earliest, latest].map((time) => time?.slice(0, 10));
  const made = days[0] === undefined ? "without a date" : `from ${[...new Set(days)].join(" to ")}`;
  return [`${sums} in all, ${made}`];
}
