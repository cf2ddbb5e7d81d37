import { formatCount } from "../../terminal/format.ts";
import type { DryRun } from "./dry-run.ts";
import { conflictLines, type PublishReport, rejectLines } from "./publish-report.ts";

export type DryRunReport = DryRun & Pick<PublishReport, "rejected" | "rejectsShown"> & { file: string };

/** How many orders would be stored, what they cost and from when they are; then what would be rejected. */
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
