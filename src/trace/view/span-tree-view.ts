import { formatCount, formatDuration } from "../../terminal/format.ts";
import { paint } from "../../terminal/paint.ts";
import type { Style } from "../../terminal/terminal.ts";
import type { SpanTrace } from "../picture.ts";
import { traceBody } from "./body.ts";
import { cutToWidth, drawable, plainUnits, safeText } from "./text.ts";

/** A trace that belongs to no single order: its duration, counts and errors, then its spans as a tree. */
export function traceTree(trace: SpanTrace, given: Style): string {
  const style = drawable(given);
  return plainUnits(
    [headline(trace, style), origin(trace, style), ...traceBody(trace, style)].join("\n"),
    style,
  );
}

function headline({ traceId, totalMs, spans, services, errors }: SpanTrace, style: Style): string {
  const { bold, red } = paint(style);
  const counts = [plural(spans.length, "span"), plural(services.length, "service")];
  const failed = errors === 0 ? "" : `${style.unicode ? "✗" : "x"} ${plural(errors, "error")}`;
  const start = `trace ${safeText(traceId, style)} ${formatDuration(totalMs)}`;
  const isWide = [start, ...counts, failed].join(", ").length <= style.width;
  const facts = [...counts.slice(0, isWide ? 2 : 1), ...(failed === "" ? [] : [red(failed)])];
  return [start.replace(/^trace (\S+)/, (_, id) => `trace ${bold(id)}`), ...facts].join(", ");
}

const plural = (count: number, thing: string): string =>
  `${formatCount(count)} ${thing}${count === 1 ? "" : "s"}`;

function origin({ startedAt, services, orderIds }: SpanTrace, style: Style): string {
  const time = startedAt.replace("T", " ").replace(/\d{3}Z$/, "Z");
  const orders =
    orderIds.length < 2 ? "" : `; ${formatCount(orderIds.length)} orders, such as ${orderIds[0]}`;
  const text = `began ${time}${orders}${services.length === 0 ? "" : `; ${services.join(", ")}`}`;
  return paint(style).dim(cutToWidth(safeText(text, style), style.width, style));
}
