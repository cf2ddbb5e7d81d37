import type { OrderTimeline } from "../pipeline/order-timeline.ts";
import type { Style } from "../terminal.ts";
import { formatDuration } from "./format.ts";
import { orderColumns, workersOf } from "./order-columns.ts";
import { orderLegend } from "./order-legend.ts";
import { orderNotes } from "./order-notes.ts";
import { orderRows } from "./order-rows.ts";
import { paint } from "./paint.ts";
import { cutMiddle, printable } from "./plain-text.ts";

/** The answer first; then the tree of events with their time as bars, and what the time was spent on. */
export function orderTree(timeline: OrderTimeline, style: Style): string {
  const { lines, named } = orderColumns(orderRows(timeline, style), timeline.totalMs, style);
  const head = [headline(timeline, style), origin(timeline, style)];
  const notes = orderNotes(timeline, { named }, style);
  return [...head, "", ...lines, "", orderLegend(timeline, style), ...notes].join("\n").trimEnd();
}

function headline({ orderId, outcome, total, ...timeline }: OrderTimeline, style: Style): string {
  const { bold, green, red, yellow } = paint(style);
  const tones = { SHIPPED: green, DECLINED: red, REFUNDED: yellow };
  const [state, time] = outcome
    ? [outcome, ` in ${formatDuration(timeline.totalMs)}`]
    : [`waiting for ${timeline.waitingFor}`, `, ${formatDuration(timeline.waitingMs)}`];
  const amount = total ? `, ${total.text}` : "";
  const roomBeside = (text: string) => style.width - `order  ${text}`.length;
  // The row of the creation has the amount as well; the id is there to be copied.
  const rest = roomBeside(state + time + amount) < orderId.length ? time : time + amount;
  const room = Math.max(12, roomBeside(state + rest));
  const tone = outcome ? tones[outcome] : yellow;
  return `order ${bold(cutMiddle(orderId, room, style))} ${tone(state)}${rest}`;
}

/** When it began and who published it; and who did the rest, where that was one process. */
function origin({ startedAt, hops }: OrderTimeline, style: Style): string {
  const [first] = hops;
  const began = first?.kind === "created" ? "created" : "first seen";
  const time = startedAt.replace("T", " ").replace(/\d{3}Z$/, "Z");
  const by = first?.instance ? ` by ${first.service}/${cutMiddle(first.instance, 16, style)}` : "";
  const [worker, ...others] = workersOf(hops);
  const text = `${began} ${time}${by}`;
  if (worker === undefined || others.length > 0) return paint(style).dim(printable(text));
  const handled = ", handled by ";
  const room = Math.max(10, style.width - text.length - handled.length);
  return paint(style).dim(printable(text + handled + cutMiddle(worker, room, style)));
}
