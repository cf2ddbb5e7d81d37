import type { Noun } from "../core/noun.ts";
import { formatCount, formatDuration, formatRate } from "../terminal/format.ts";
import type { FeedProgress } from "./feed.ts";

/** `6,400 of 10,000 orders, 3,200/s, 1.1 s left`, followed by how many are under way. */
export function feedProgressText(
  { done, elapsedS, underWay }: FeedProgress,
  total: number | null,
  { many }: Noun,
): string {
  const ending = underWay === null ? "" : `; ${formatCount(underWay)} under way`;
  if (total !== null && done >= total) return `${formatCount(done)} ${many} stored${ending}`;
  const perSecond = elapsedS > 0 ? done / elapsedS : 0;
  const of = total === null ? "" : ` of ${formatCount(total)}`;
  const left =
    total !== null && perSecond > 0 ? `, ${formatDuration(((total - done) / perSecond) * 1000)} left` : "";
  return `${formatCount(done)}${of} ${many}, ${formatRate(perSecond)}${left}${ending}`;
}

/** `120,000 lines of orders.csv read`, shown before the first order is stored. */
export const readingText = (lines: number, file: string): string =>
  `${formatCount(lines)} lines of ${file} read`;
