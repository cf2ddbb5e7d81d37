import type { TracePicture } from "./picture.ts";
import type { TraceRow } from "./rows.ts";

/** Which rows to show; everything where none is asked for. */
export type TraceFilter = { errors?: boolean; critical?: boolean; minMs?: number | undefined };

/** Leaves the rows that were asked for, each with the path to it. Rows with an error, or that were tried again after one, are left whatever their
 * length. */
export function filterTrace<T extends TracePicture>(picture: T, { errors, critical, minMs }: TraceFilter): T {
  const by = errors ? "errors" : critical ? "critical" : minMs === undefined ? null : "min";
  const isWanted = (row: TraceRow): boolean =>
    (!errors || isInError(row)) &&
    (!critical || row.criticalMs > 0) &&
    (minMs === undefined || isInError(row) || (row.tookMs ?? 0) >= minMs);
  const rows = withPaths(picture.rows, isWanted);
  return { ...picture, rows, hidden: { rows: picture.rows.length - rows.length, by, minMs: minMs ?? null } };
}

/** What failed and was done again is an error as well, however it ended and whether or not a span tells why. */
const isInError = ({ error, retried }: TraceRow): boolean => error !== null || retried;

/** Read from below, a row is on the path to a wanted one while its depth decreases. */
function withPaths(rows: readonly TraceRow[], isWanted: (row: TraceRow) => boolean): TraceRow[] {
  let pathAbove = 0;
  return rows
    .toReversed()
    .filter((row) => {
      const isOnPath = row.depth < pathAbove;
      if (!isOnPath && !isWanted(row)) {
        return false;
      }
      pathAbove = row.depth;
      return true;
    })
    .reverse();
}
