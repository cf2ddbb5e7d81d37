import { formatBytes, formatCount, formatDuration } from "../terminal/format.ts";
import { paint } from "../terminal/paint.ts";
import { wrapWords } from "../terminal/plain-text.ts";
import type { Style } from "../terminal/terminal.ts";
import { plural, shortTime } from "./inspect-view.ts";
import type { PruneReport } from "./prune.ts";
import type { Restored } from "./restore.ts";
import type { ArchiveFault, ArchiveVerdict } from "./verify-archive.ts";

const listed = 10;

/** First the verdict; then every fault, and the files that no entry names. */
export function archiveVerdictView(verdict: ArchiveVerdict, style: Style): string {
  const { faults, removed, leftovers } = verdict;
  const others = faults.slice(1).flatMap((fault) => wrapWords(faultText(fault), style.width - 2));
  return [
    ...headline(verdict, style),
    ...others.map((line) => `  ${line}`),
    ...(removed.length > 0 ? [`${plural(removed.length, "leftover file")} removed`] : []),
    ...leftoverLines({ leftovers, faults }, style),
  ].join("\n");
}

function headline(verdict: ArchiveVerdict, style: Style): string[] {
  const { green, red } = paint(style);
  const { faults, segments, pruned, events, bytes, movedTo } = verdict;
  const [first, ...others] = faults;
  if (first) {
    const more = others.length > 0 ? `; and ${plural(others.length, "other fault")}:` : "";
    return [`${red.bold("FAIL")}  ${faultText(first)}${more}`];
  }
  const gone = pruned > 0 ? `, ${formatCount(pruned)} of them pruned` : "";
  return [
    `${green.bold("PASS")}  ${plural(segments, "segment")}${gone}, up to message ${formatCount(movedTo)}: all files are what the manifest names`,
    `      ${plural(events, "event")} read, ${formatBytes(bytes)}`,
  ];
}

const faultText = ({ from, to, text }: ArchiveFault): string =>
  from === null ? text : `segment ${from} to ${to}: ${text}`;

function leftoverLines(
  { leftovers, faults }: Pick<ArchiveVerdict, "leftovers" | "faults">,
  style: Style,
): string[] {
  if (leftovers.length === 0) return [];
  const { dim } = paint(style);
  const removable = leftovers.filter((leftover) => leftover.removable).length;
  const hint =
    faults.length > 0 ? "none is removed before the archive is whole" : "--remove-leftovers removes";
  const count = faults.length > 0 ? hint : `${hint} ${formatCount(removable)} of them`;
  const names = leftovers.map(({ name, removable: may }) =>
    may ? `  ${name}` : `  ${name}  (not archived yet, of another log, or foreign: it stays)`,
  );
  return [
    "",
    `${plural(leftovers.length, "file")} that no entry names; ${removable > 0 ? count : "none may be removed"}`,
    ...shortened(names).map((line) => dim(line)),
  ];
}

function shortened(lines: readonly string[]): string[] {
  const more = lines.length - listed;
  return more > 0 ? [...lines.slice(0, listed), `  and ${formatCount(more)} more`] : [...lines];
}

/** `stream` is where they are now, `isLog` whether that is the flow's own log. */
export type RestoreReport = Restored & {
  stream: string;
  isLog: boolean;
  from: number;
  to: number;
  tookMs: number;
};

export function restoreView(report: RestoreReport, style: Style): string {
  const { read, stored, alreadyThere, repeats, stream, isLog, from, to, tookMs } = report;
  const before = alreadyThere > 0 ? `, ${formatCount(alreadyThere)} were there` : "";
  const text = `${plural(read, "message")}, ${formatCount(from)} to ${formatCount(to)} of the archive, ${read === 1 ? "is" : "are"} in stream ${stream}: ${formatCount(stored)} stored${before}, in ${formatDuration(tookMs)}`;
  const again =
    repeats > 0
      ? `${plural(repeats, "message")} left out: a stream holds one under a subject, and the archive an earlier one (repeats of archived orders)`
      : "";
  return [
    ...wrapWords(text, style.width),
    ...(again === "" ? [] : wrapWords(again, style.width)),
    ...(isLog ? ["", "That nothing is missing: orderctl audit --all"] : []),
  ].join("\n");
}

/** What goes, which promises end with it, and which stay. */
export function pruneView(report: PruneReport, style: Style): string {
  const { dryRun, segments, events, bytes, to, storedBefore } = report;
  if (!to) return `no segment holds only messages stored before ${shortTime(storedBefore)}`;
  const verb = dryRun ? "would be pruned" : "pruned";
  const told = `${plural(segments.length, "segment")} ${verb}, ${plural(events, "message")}, ${formatBytes(bytes)}: up to message ${formatCount(to.sequence)}, stored ${shortTime(to.storedAt)}`;
  return [...wrapWords(told, style.width), "", ...promises(report, style)].join("\n");
}

function promises({ dryRun, keys, to }: PruneReport, style: Style): string[] {
  const ends = dryRun ? "would end" : "ends";
  const these = `${plural(keys, "order")} with messages up to ${formatCount(to?.sequence ?? 0)}`;
  const texts = [
    `What ${ends}, for ${these}: traces, GET /orders, replay and restore tell that it was pruned; \`audit --all\` begins behind it, with what the audit had found by then.`,
    `What stays: a second payment of ${keys === 1 ? "it is" : "any of them is"} refused, as their keys are kept, and \`audit\` goes on from its last state.`,
  ];
  return texts.flatMap((text) => wrapWords(text, style.width));
}
