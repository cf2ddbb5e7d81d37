import type { FlowShape } from "../../flow/flow.ts";
import { type FalseMessage, remedyFor } from "../../flow/key-log.ts";
import { formatDuration } from "../../terminal/format.ts";
import { paint } from "../../terminal/paint.ts";
import { cutMiddle, wrapWords } from "../../terminal/plain-text.ts";
import type { Style } from "../../terminal/terminal.ts";
import type { OrderTrace } from "../picture.ts";
import { traceBody } from "./body.ts";
import { cutToWidth, drawable, plainUnits, safeText } from "./text.ts";

/**
 * First how the order ended or what it waits for; then the tree of events and spans with bars, and what the time was
 * spent on.
 */
export const orderTree =
  (flow: FlowShape) =>
  (trace: OrderTrace, given: Style): string => {
    const style = drawable(given);
    return plainUnits(
      [
        headline(flow, trace, style),
        origin(flow, trace, style),
        ...held(trace, style),
        ...warnings(trace, style),
        ...traceBody(trace, style, flow.labelOf(flow.firstKind)),
      ].join("\n"),
      style,
    );
  };

function headline(
  flow: FlowShape,
  { orderId, outcome, total, ...timeline }: OrderTrace,
  style: Style,
): string {
  const { bold, green, red, yellow } = paint(style);
  const tones = { good: green, bad: red, mixed: yellow };
  const [state, time] = outcome
    ? [outcome, ` in ${formatDuration(timeline.totalMs)}`]
    : [safeText(waitingText(timeline), style), `, ${formatDuration(timeline.waitingMs)}`];
  const amount = total ? `, ${total.text}` : "";
  const roomBeside = (text: string) => style.width - `${flow.noun.one}  ${text}`.length;
  // On a narrow terminal the amount, which the first event's row shows too, gives way to the full id, which people
  // copy.
  const rest = roomBeside(state + time + amount) < orderId.length ? time : time + amount;
  const room = Math.max(12, roomBeside(state + rest));
  const tone = tones[(outcome && flow.outcomes[outcome]) || "mixed"];
  return `${flow.noun.one} ${bold(cutMiddle(orderId, room, style))} ${tone(state)}${rest}`;
}

const waitingText = ({ breaker, waitingFor }: Pick<OrderTrace, "breaker" | "waitingFor">): string =>
  `waiting for ${breaker ? `${breaker.name} (breaker)` : waitingFor}`;

/** Since when an open breaker has kept the service from working on the order. */
function held({ breaker, waitingFor }: OrderTrace, style: Style): string[] {
  if (!breaker) return [];
  const since = breaker.openSince.slice(11, 19);
  const text = `${waitingFor} calls nothing: waiting for ${breaker.name} (breaker open since ${since}Z)`;
  return [paint(style).yellow(cutToWidth(safeText(text, style), style.width, style))];
}

/** Messages under the order's subjects that are not valid events. */
const warnings = ({ falseMessages }: OrderTrace, style: Style): string[] =>
  falseMessages
    .flatMap((message) => wrapWords(safeText(falseMessageText(message), style), style.width))
    .map((line) => paint(style).yellow(cutToWidth(line, style.width, style)));

function falseMessageText(message: FalseMessage): string {
  const { sequence, subject, fault } = message;
  return `message ${sequence} is left out, no event: ${subject}: ${fault}; ${remedyFor(message)}`;
}

/** When the order began and who published it; also who handled the rest, if that was a single process. */
function origin(flow: FlowShape, { startedAt, hops }: OrderTrace, style: Style): string {
  const [first] = hops;
  const began = first?.kind === flow.firstKind ? flow.labelOf(flow.firstKind) : "first seen";
  const time = startedAt.replace("T", " ").replace(/\d{3}Z$/, "Z");
  const by = first?.instance ? ` by ${first.service}/${cutMiddle(first.instance, 16, style)}` : "";
  const workers = new Set(
    hops.filter(({ kind }) => kind !== flow.firstKind).flatMap(({ instance }) => instance ?? []),
  );
  const [worker, ...others] = workers;
  const text = `${began} ${time}${by}`;
  if (worker === undefined || others.length > 0) return paint(style).dim(text);
  const handled = ", handled by ";
  const room = Math.max(10, style.width - text.length - handled.length);
  return paint(style).dim(text + handled + cutMiddle(worker, room, style));
}
