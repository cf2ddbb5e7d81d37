import type { ClockDifference } from "../jetstream/client/broker-clock.ts";
import { formatCount, formatDuration, formatRate } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import { longest } from "../terminal/table.ts";
import type { Style } from "../terminal/terminal.ts";
import type { ReplayReport } from "./replay.ts";
import { replayOutcomeLine } from "./replay-text.ts";
import type { FileResult, PrefixResult, ReplayResult, ServiceResult } from "./target.ts";

export type ReplaySummary = ReplayReport & {
  dryRun: boolean;
  /** The command that continues a replay that ended early; `null` when it is complete. */
  resumeCommand: string | null;
  /** The difference to the broker's clock; `null` when no age was given, because the clock was then not read. */
  clock: ClockDifference | null;
};

/** What became of the messages, which ones they were, which outcomes differ, and how to continue. */
export function replayReport(summary: ReplaySummary, style: Style): string {
  const { dim, yellow } = paint(style);
  const early = summary.resumeCommand === null ? "" : yellow("ended early: ");
  const gone = yellow(goneText(summary));
  const parts = [
    `${early}${headline(summary)}`,
    gone,
    ...dim(extent(summary)).split("\n"),
    ...groups(summary),
  ];
  parts.push(...differences(summary.result));
  if (summary.resumeCommand !== null) parts.push(`go on with: ${summary.resumeCommand}`);
  return parts.filter((part) => part !== "").join("\n");
}

function headline(summary: ReplaySummary): string {
  const { result, messages, stream, dryRun, gone } = summary;
  if (messages === 0 && gone) return `nothing of ${stream} was replayed`;
  if (messages === 0) return `nothing to replay: stream ${stream} holds no such message`;
  const what = `${plural(messages, "message")} of ${stream}`;
  if (dryRun) return `${what} would be replayed; nothing was sent`;
  switch (result.target) {
    case "none":
      return what;
    case "prefix":
      return prefixHeadline(summary, result);
    case "file":
      return fileHeadline(summary, result);
    case "service":
      return serviceHeadline(result);
  }
}

/** Names the messages that were deleted or expired before they were read. */
const goneText = ({ gone, stream }: ReplaySummary): string =>
  gone
    ? `not with it: ${plural(gone, "message")} that ${stream} lost before ${gone === 1 ? "it was" : "they were"} read (purged, deleted or expired)`
    : "";

const pace = ({ seconds, perSecond }: ReplaySummary): string =>
  `in ${formatDuration(seconds * 1000)} (${formatRate(perSecond)})`;

function prefixHeadline(summary: ReplaySummary, result: PrefixResult): string {
  const { prefix, streams, stored, alreadyThere, differentThere } = result;
  const place = `under ${prefix} (stream ${streams.join(", ")})`;
  const other = differentThere > 0 ? `, ${formatCount(differentThere)} of them with another content` : "";
  if (stored === 0 && alreadyThere > 0) {
    const all = alreadyThere === 1 ? "the message was" : `all ${formatCount(alreadyThere)} messages were`;
    return `nothing new: ${all} there already, ${place}${other}`;
  }
  const already = alreadyThere > 0 ? `; ${formatCount(alreadyThere)} were there already${other}` : "";
  return `${plural(stored, "message")} of ${summary.stream} stored ${place} ${pace(summary)}${already}`;
}

function fileHeadline(summary: ReplaySummary, { file, lines, undecodable }: FileResult): string {
  const name = file === "-" ? "standard output" : file;
  const raw =
    undecodable > 0 ? `; ${formatCount(undecodable)} of them no events of the flow, with their bytes` : "";
  return `${plural(lines, "message")} of ${summary.stream} written to ${name} ${pace(summary)}${raw}`;
}

function serviceHeadline(result: ServiceResult): string {
  const { same, different, missing, nothing, failed, stored, alreadyThere } = result;
  const known = [
    `${formatCount(same)} the same outcome`,
    `${formatCount(different)} different`,
    missing > 0 ? missingText(missing, stored, alreadyThere) : "",
    failed > 0 ? `${formatCount(failed)} failed` : "",
  ];
  const idle = nothing > 0 ? `; ${formatCount(nothing)} more lead to nothing` : "";
  const events = plural(same + different + missing + failed, "event");
  return `${events}: ${known.filter((part) => part !== "").join(", ")}${idle}`;
}

function missingText(missing: number, stored: number | null, alreadyThere: number | null): string {
  if (stored === null) return `${formatCount(missing)} not stored yet`;
  const others = alreadyThere ? ` and ${formatCount(alreadyThere)} by somebody else` : "";
  return `${formatCount(missing)} missing, of which ${formatCount(stored)} are stored now${others}`;
}

/** The range of sequences and of storage times. */
function extent({ firstSequence, lastSequence, firstStoredAt, lastStoredAt }: ReplaySummary): string {
  if (firstStoredAt === null || lastStoredAt === null) return "";
  const lasted = Date.parse(lastStoredAt) - Date.parse(firstStoredAt);
  const sequences = `sequences ${formatCount(firstSequence)} to ${formatCount(lastSequence)}`;
  return `${sequences}, stored ${firstStoredAt} to ${lastStoredAt} (${formatDuration(lasted)})`;
}

/** Subjects longer than this overflow their column, so that one long subject does not widen all rows. */
const mostWide = 80;

function groups({ bySubject }: ReplaySummary): string[] {
  const rows = Object.entries(bySubject);
  const width = Math.min(
    longest(
      rows.map(([subject]) => [subject]),
      0,
      0,
    ),
    mostWide,
  );
  return rows.map(([subject, count]) => `  ${subject.padEnd(width)}  ${formatCount(count)}`);
}

function differences(result: ReplayResult): string[] {
  if (result.target !== "service" || result.differences.length === 0) return [];
  const more = result.different + result.failed - result.differences.length;
  return [
    "not as stored:",
    ...result.differences.map((outcome) => `  ${replayOutcomeLine(outcome)}`),
    more > 0 ? `  and ${formatCount(more)} more; --each tells them all` : "",
  ];
}

const plural = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
