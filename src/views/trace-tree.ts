import type { SpanTrace } from "../pipeline/trace-picture.ts";
import type { Style } from "../terminal.ts";
import { formatCount, formatDuration } from "./format.ts";
import { paint } from "./paint.ts";
import { traceBody } from "./trace-body.ts";
import { cutToWidth, safeText } from "./trace-text.ts";

/** A trace that tells of no single order: how long, how much, what failed; then its spans as a tree. */
export function traceTree(trace: SpanTrace, style: Style): string {
  return [headline(trace, style), origin(trace, style), ...traceBody(trace, style)].join("\n");
}

function headline({ traceId, totalMs, spans, services, errors }: SpanTrace, style: Style): string {
  const { bold, red } = paint(style);
  const sign = style.unicode ? "✗ " : "x ";
  const counts = `${plural(spans.length, "span")}, ${plural(services.length, "service")}`;
  const failed = errors === 0 ? "" : `, ${red(`${sign}${plural(errors, "error")}`)}`;
  return `trace ${bold(safeText(traceId, style))} ${formatDuration(totalMs)}, ${counts}${failed}`;
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
