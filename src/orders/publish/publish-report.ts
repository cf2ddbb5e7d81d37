import { conflictLines, feedReport, type PublishedReport, rejectLines } from "../../publish/feed-report.ts";
import { counted, formatCount } from "../../terminal/format.ts";
import type { Style } from "../../terminal/terminal.ts";
import { orderShape } from "../flow.ts";
import type { DryRun } from "./dry-run.ts";

export type PublishReport = PublishedReport & { seed: number | null };

const { noun } = orderShape;
const first = orderShape.labelOf(orderShape.firstKind);

/** How many orders are stored, how they ended, and which rows were rejected. */
export const publishReport = (report: PublishReport, style: Style): string => {
  const { seed, file } = report;
  return feedReport(report, { noun, first, source: seed === null ? `from ${file}` : `seed ${seed}` }, style);
};

export type DryRunReport = DryRun & Pick<PublishReport, "rejected" | "rejectsShown"> & { file: string };

/** How many orders would be stored, their totals and dates; then conflicts and rejected rows. */
export function dryRunReport(report: DryRunReport): string {
  const { orders, repeated, conflicts, conflicting, file } = report;
  const again =
    repeated > 0 ? `; ${formatCount(repeated)} of them ${repeated === 1 ? "comes" : "come"} again` : "";
  const what = orders === 0 ? `no ${noun.many}` : counted(orders, noun);
  return [
    `dry run: ${what} would be stored, from ${file}${again}`,
    ...factsOf(report),
    ...conflictLines({ count: conflicts, conflicting, where: "what comes before", noun }),
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
