import type { FlowShape } from "../../flow/flow.ts";
import type { TimelineHop } from "../../flow/timeline.ts";
import { formatDuration } from "../../terminal/format.ts";
import { paint } from "../../terminal/paint.ts";
import type { Style } from "../../terminal/terminal.ts";
import { cutToWidth, plainUnits, safeText } from "./text.ts";

/** A newly stored event in one line: when, what, how long it took, how it ended, who did it. */
export const traceEventLine =
  (flow: FlowShape) =>
  (hop: TimelineHop, style: Style): string => {
    const { storedAt, kind, elapsedMs, refused, service, instance } = hop;
    const who = service === null ? "" : `  by ${service}/${instance}`;
    const cells = [
      storedAt.slice(11, 23),
      kind.padEnd(13),
      formatDuration(elapsedMs).padStart(8),
      toldOf(flow, hop, style),
    ];
    const line = cutToWidth(safeText(plainUnits(cells.join("  ") + who, style), style), style.width, style);
    return refused ? paint(style).red(line) : line;
  };

function toldOf(
  flow: FlowShape,
  { kind, outcome, detail, refused }: TimelineHop,
  { unicode }: Style,
): string {
  const told = kind === flow.firstKind ? (detail ?? "") : [outcome, detail].filter(Boolean).join(" ");
  if (!refused) return told;
  return `${unicode ? "✗ " : "x "}${told}`;
}
