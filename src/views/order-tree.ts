import type { OrderTimeline } from "../pipeline/order-timeline.ts";
import type { Style } from "../terminal.ts";
import { formatDuration } from "./format.ts";
import { orderColumns, workersOf } from "./order-columns.ts";
import { orderLegend } from "./order-legend.ts";
import { orderRows } from "./order-rows.ts";
import { paint } from "./paint.ts";
import { cutEnd, cutMiddle, printable } from "./plain-text.ts";

/** The answer first; then the tree of events with their time as bars, and what the time was spent on. */
export const orderTree = (timeline: OrderTimeline, style: Style): string =>
  [
    headline(timeline, style),
    origin(timeline, style),
    "",
    ...orderColumns(orderRows(timeline, style), timeline.totalMs, style),
    "",
    ...orderLegend(timeline, style),
  ].join("\n");

function headline({ orderId, outcome, total, ...timeline }: OrderTimeline, style: Style): string {
  const { bold, green, red, yellow } = paint(style);
  const tones = { SHIPPED: green, DECLINED: red, REFUNDED: yellow };
  const [state, time] = outcome
    ? [outcome, ` in ${formatDuration(timeline.totalMs)}`]
    : [`waiting for ${timeline.waitingFor}`, `, ${formatDuration(timeline.waitingMs)}`];
  const rest = `${time}${total ? `, ${total.text}` : ""}`;
  const room = style.width - `order  ${state}${rest}`.length;
  const tone = outcome ? tones[outcome] : yellow;
  return `order ${bold(cutMiddle(orderId, Math.max(12, room), style))} ${tone(state)}${rest}`;
}

/** When it began and who published it; and who did the work, where that was one process. */
function origin({ startedAt, hops }: OrderTimeline, style: Style): string {
  const [first] = hops;
  const began = first?.kind === "created" ? "created" : "first seen";
  const time = startedAt.replace("T", " ").replace(/\d{3}Z$/, " UTC");
  const [worker, ...others] = workersOf(hops);
  const by = [
    first?.service ? ` by ${first.service} on ${first.instance}` : "",
    worker !== undefined && others.length === 0 ? `, worked on by ${worker}` : "",
  ];
  return paint(style).dim(cutEnd(printable(`${began} ${time}${by.join("")}`), style.width, style));
}
