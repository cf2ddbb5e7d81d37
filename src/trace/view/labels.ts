import { formatDuration } from "../../terminal/format.ts";
import type { Style } from "../../terminal/terminal.ts";
import type { TraceRow } from "../rows.ts";
import { cutToWidth, safeText, textWidth } from "./text.ts";

type Branches = { last: string; more: string; pass: string; gap: string };

const unicodeBranches: Branches = { last: "└ ", more: "├ ", pass: "│ ", gap: "  " };
const asciiBranches: Branches = { last: "`- ", more: "|- ", pass: "|  ", gap: "   " };

/** The tree lines before each row's label. */
export function treeLeads(rows: readonly TraceRow[], { unicode }: Style): string[] {
  const { last, more, pass, gap } = unicode ? unicodeBranches : asciiBranches;
  const top = rows.reduce((least, { depth }) => Math.min(least, depth), rows[0]?.depth ?? 0);
  // Built from the last row upwards: the levels at which another sibling follows below.
  const open: boolean[] = [];
  const leads = rows.toReversed().map(({ depth }) => {
    const level = depth - top;
    open.length = Math.min(open.length, level + 1);
    let lead = "";
    for (let at = 1; at < level; at++) lead += open[at] ? pass : gap;
    if (level > 0) lead += open[level] ? more : last;
    open[level] = true;
    return lead;
  });
  return leads.reverse();
}

/** Tree lines and label within `width` columns. Tree lines that are too long are cut at their start. */
export function rowLabel(
  row: TraceRow,
  { lead, width }: { lead: string; width: number },
  style: Style,
): string {
  const times = style.unicode ? "×" : "x";
  const before = row.folded === "similar" ? `${row.count} ${times} ` : "";
  const behind = row.folded !== "similar" && row.count > 1 ? ` ${times}${row.count}` : "";
  const name = safeText(row.label, style) || "(no name)";
  const leastName = Math.min(16, before.length + textWidth(name) + behind.length);
  const most = Math.max(2, width - leastName);
  const cut = style.unicode ? "…" : "~";
  const shortLead = lead.length <= most ? lead : cut + lead.slice(lead.length - most + 1);
  const room = width - shortLead.length - before.length - behind.length;
  return shortLead + before + cutToWidth(name, Math.max(1, room), style) + behind;
}

/** How a row ended, in words; a failure or refusal begins with a sign. */
export function rowText(row: TraceRow, style: Style): string {
  const outcome = safeText(row.outcome ?? "", style);
  if (row.is !== "span") return row.refused ? `${signOf(style)} ${outcome}` : outcome;
  const parts = [
    errorText(row, style),
    row.longestMs === null ? "" : `sum, max ${formatDuration(row.longestMs)}`,
    outcome,
    row.parentMissing ? "parent not received" : "",
    row.parentInCircle ? "parents in a circle" : "",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function errorText({ folded, failed, count, error }: TraceRow, style: Style): string {
  if (error === null) return "";
  const share = folded === "attempts" && failed < count ? `${failed} of ${count}: ` : "";
  return `${signOf(style)} ${share}${safeText(error, style)}`;
}

const signOf = ({ unicode }: Style): string => (unicode ? "✗" : "x");

export const widestOf = (texts: readonly string[]): number =>
  texts.reduce((most, text) => Math.max(most, textWidth(text)), 0);
