import { operand } from "../core/foreign-text.ts";
import type { Noun } from "../core/noun.ts";
import { counted, formatCount, formatDuration, formatRate } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import type { Style } from "../terminal/terminal.ts";
import type { FeedReport } from "./feed.ts";
import type { Reject } from "./files/reject.ts";

/** What was published, and from where. */
export type PublishedReport = FeedReport & {
  file: string | null;
  /** Number of rows of the file that are not stored; `rejectsShown` has the first of them. */
  rejected: number;
  rejectsShown: Reject[];
  /** Command that stores what is missing after a run that ended early; `null` for any other run. */
  resumeCommand: string | null;
};

/** `first` names the first event; `source` says where they came from: `seed 7`, `from orders.csv`. */
type Told = { noun: Noun; first: string; source: string };

/** How many keys began, how they ended, and which rows were rejected. */
export function feedReport(report: PublishedReport, told: Told, style: Style): string {
  const { noun } = told;
  const parts = [
    headline(report, told),
    ...unknown(report, noun),
    ...endings(report, told),
    ...conflictLines({
      count: report.conflicts,
      conflicting: report.conflicting,
      where: "what is stored",
      noun,
    }),
    ...blocked(report, noun),
    ...rejectLines(report),
  ];
  const { dim } = paint(style);
  if (report.firstOrderId) parts.push(dim(`follow one: orderctl trace ${operand(report.firstOrderId)}`));
  parts.push(...goOn(report));
  return parts.join("\n");
}

function unknown({ unknown: count }: PublishedReport, noun: Noun): string[] {
  return count === 0
    ? []
    : [`${counted(count, noun)} beside these may be stored: the broker's answer did not come`];
}

function goOn({ resumeCommand, file }: PublishedReport): string[] {
  if (resumeCommand === null) return [];
  const input = file === "-" ? " (with the same input)" : "";
  return [`to store what is missing${input}: ${resumeCommand}`];
}

function headline(report: PublishedReport, { noun, source }: Told): string {
  const { stored, duplicates, blocked, seconds, perSecond, file } = report;
  if (stored + duplicates === 0 && (file !== null || blocked > 0)) return `no ${noun.one} stored, ${source}`;
  if (stored === 0 && duplicates > 0) {
    const which = duplicates === 1 ? `the ${noun.one} was` : `all ${counted(duplicates, noun)} were`;
    return `nothing new: ${which} already stored, ${source}`;
  }
  const pace = `in ${formatDuration(seconds * 1000)} (${formatRate(perSecond)})`;
  return `${counted(stored, noun)} stored ${pace}, ${source}${already(duplicates)}`;
}

const already = (duplicates: number): string =>
  duplicates === 0 ? "" : `; ${formatCount(duplicates)} ${duplicates === 1 ? "was" : "were"} already stored`;

function endings({ endings, stored }: PublishedReport, { noun, first }: Told): string[] {
  if (!endings || (endings.ended === 0 && stored === 0)) return [];
  const { ended, outcomes, latency } = endings;
  const how = Object.entries(outcomes).map(
    ([outcome, count]) => `${formatCount(count)} ${outcome.toLowerCase()}`,
  );
  const lines = [`${counted(ended, noun)} ended: ${how.join(", ")}`];
  if (latency) {
    const { p50Ms, p99Ms, p999Ms, maxMs } = latency;
    const [p50, p99, p999, max] = [p50Ms, p99Ms, p999Ms, maxMs].map(formatDuration);
    lines.push(`${first} to ended: p50 ${p50}, p99 ${p99}, p99.9 ${p999}, max ${max}`);
  }
  return lines;
}

function blocked({ blocked: count, blockedBy }: PublishedReport, noun: Noun): string[] {
  if (count === 0) return [];
  const more = count - blockedBy.length;
  const rest = more > 0 ? [`  … and ${formatCount(more)} more`] : [];
  return [`${counted(count, noun)} not stored:`, ...blockedBy.map((why) => `  ${why}`), ...rest];
}

type Conflicts = { count: number; conflicting: string[]; where: string; noun: Noun };

export function conflictLines({ count, conflicting, where, noun }: Conflicts): string[] {
  if (count === 0) return [];
  const what = count === 1 ? `1 ${noun.one} is another` : `${formatCount(count)} ${noun.many} are others`;
  const rest = count > conflicting.length ? `, and ${formatCount(count - conflicting.length)} more` : "";
  return [`${what} than ${where} under the same id: ${conflicting.join(", ")}${rest}`];
}

/** The reasons quote the file; `terminal.show` has replaced control and invisible characters in them. */
export function rejectLines({
  rejected,
  rejectsShown,
  file,
}: Pick<PublishedReport, "rejected" | "rejectsShown" | "file">): string[] {
  if (rejected === 0) return [];
  const rows = rejectsShown.map(({ row, reason }) => `  ${file}:${row}: ${reason}`);
  const more = rejected - rejectsShown.length;
  const rest = more > 0 ? [`  … and ${formatCount(more)} more; --rejects FILE keeps them all`] : [];
  return [`${formatCount(rejected)} ${rejected === 1 ? "row is" : "rows are"} rejected:`, ...rows, ...rest];
}
