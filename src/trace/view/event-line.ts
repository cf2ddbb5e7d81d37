import type { TimelineHop } from "../../flow/order-timeline.ts";
import { formatDuration } from "../../terminal/format.ts";
import { paint } from "../../terminal/paint.ts";
import type { Style } from "../../terminal/terminal.ts";
import { cutToWidth, plainUnits, safeText } from "./text.ts";

/** An event that was just stored, in one line: when, what, how long it took, how it ended, who did it. */
export function traceEventLine(hop: TimelineHop, style: Style): string {
  const { storedAt, kind, elapsedMs, outcome, detail, refused, service, instance } = hop;
  const sign = refused ? (style.unicode ? "✗ " : "x ") : "";
  const told = kind === "created" ? detail : [outcome, detail].filter(Boolean).join(" ");
  const who = service === null ? "" : `  by ${service}/${instance}`;
  const cells = [
    storedAt.slice(11, 23),
    kind.padEnd(13),
    formatDuration(elapsedMs).padStart(8),
    `${sign}${told}`,
  ];
  const line = cutToWidth(safeText(plainUnits(cells.join("  ") + who, style), style), style.width, style);
  return refused ? paint(style).red(line) : line;
}
