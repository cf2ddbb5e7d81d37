import type { TracePicture } from "./picture.ts";
import type { TraceRow } from "./rows.ts";

/** Which rows to show; all rows when no field is set. */
export type TraceFilter = { errors?: boolean; critical?: boolean; minMs?: number | undefined };

/** Keeps the selected rows, each with the path to it. `minMs` never drops a row that failed or was retried. */
export function filterTrace<T extends TracePicture>(picture: T, { errors, critical, minMs }: TraceFilter): T {
  const by = errors ? "errors" : critical ? "critical" : minMs === undefined ? null : "min";
  const isWanted = (row: TraceRow): boolean =>
    (!errors || isInError(row)) &&
    (!critical || row.criticalMs > 0) &&
    (minMs === undefined || isInError(row) || (row.tookMs ?? 0) >= minMs);
  const rows = withPaths(picture.rows, isWanted);
  return { ...picture, rows, hidden: { rows: picture.rows.length - rows.length, by, minMs: minMs ?? null } };
}

/** A retried row counts as failed, whether or not it succeeded later and whether or not a span tells the error. */
const isInError = ({ error, retried }: TraceRow): boolean => error !== null || retried;

/** Going upwards through the rows, a row with a smaller depth than the last kept one is its ancestor. */
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
