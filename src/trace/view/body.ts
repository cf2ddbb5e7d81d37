import type { Style } from "../../terminal/terminal.ts";
import type { TracePicture } from "../picture.ts";
import { traceColumns } from "./columns.ts";
import { traceLegend } from "./legend.ts";
import { traceNotes } from "./notes.ts";

/**
 * The rows, their legend and notes; or a line that says why no row is shown. `source` labels the event that no worker
 * makes.
 */
export function traceBody(trace: TracePicture, style: Style, source?: string): string[] {
  if (trace.rows.length === 0) return ["", nothingFound(trace)];
  const { lines, ...layout } = traceColumns(trace, { shares: trace.hidden.by === "critical" }, style);
  return ["", ...lines, "", ...traceLegend(trace, style), ...traceNotes(trace, { ...layout, source }, style)];
}

function nothingFound({ hidden: { by, rows } }: TracePicture): string {
  if (by === "errors") return "nothing failed: no span has an error, no delivery was tried again after one";
  return `nothing to show: all ${rows} rows are left out`;
}
