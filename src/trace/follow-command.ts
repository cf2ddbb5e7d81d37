import { setInterval as every, setTimeout as wait } from "node:timers/promises";
import type { Online } from "../cli/act.ts";
import { readClock } from "../cli/read-clock.ts";
import { OrderctlError } from "../core/errors.ts";
import { type FlowLog, findFault } from "../flow/flow.ts";
import { type LoggedEvent, loggedEvent } from "../flow/key-log.ts";
import { buildTimeline } from "../flow/timeline.ts";
import type { BrokerClock } from "../jetstream/client/broker-clock.ts";
import { scanStream } from "../jetstream/streams/read-stream.ts";
import type { Span } from "../telemetry/tracing/span.ts";
import { attribute } from "../telemetry/tracing/span-names.ts";
import { filterTrace, type TraceFilter } from "./filter.ts";
import { brokerSpans, type FoundTrace, findTrace } from "./find-trace.ts";
import { buildOrderTrace } from "./picture.ts";
import { traceEventLine } from "./view/event-line.ts";
import { orderTree } from "./view/order-tree.ts";

type Shown = { errors?: boolean; critical?: boolean; min?: number; all?: boolean };

const redrawMs = 250;
/** Spans are sent once a second. */
const lastSpansMs = 2500;

/** Shows an order until it has ended: redrawn in place on a terminal, else a line for each event. */
export async function followTrace(app: Online, { logged }: FoundTrace, shown: Shown): Promise<void> {
  const { flow, terminal, signal } = app;
  const orderId = logged[0]?.key ?? "";
  const fromSequence = Math.min(...logged.map(({ sequence }) => sequence));
  const clock = await readClock(app, flow.stream);
  const drawing = terminal.live ? openDrawing(app, { orderId, clock }, shown) : undefined;
  try {
    await followOrder(app, { orderId, fromSequence, signal }, (events) => {
      if (!drawing) showLast(app, events, clock);
    });
  } finally {
    await drawing?.close();
  }
  if (signal.aborted) throw new OrderctlError("interrupted", `order ${orderId} has not ended yet`);
}

function showLast({ flow, terminal }: Online, events: readonly LoggedEvent[], { nowUs }: BrokerClock): void {
  const hop = buildTimeline(flow, events, nowUs()).hops.at(-1);
  if (hop) terminal.show("order-event", hop, traceEventLine(flow));
}

/** Redraws what log and spans know several times a second; `close` leaves the last state on the terminal. */
function openDrawing(
  { connection, flow, terminal }: Online,
  { orderId, clock }: { orderId: string; clock: BrokerClock },
  shown: Shown,
) {
  const screen = terminal.openScreen();
  const filter: TraceFilter = {
    errors: shown.errors ?? false,
    critical: shown.critical ?? false,
    minMs: shown.min,
  };
  /** Answers whether there is nothing more to come: the last span of an order is the one that settles its ending. */
  const draw = async (): Promise<boolean> => {
    const from = { connection, flow, spansOf: brokerSpans(connection) };
    const found = await findTrace(from, { orderId, traceId: undefined });
    const trace = buildOrderTrace(
      { ...found, flow, nowUs: clock.nowUs() },
      {
        all: shown.all ?? false,
        unreadable: found.unreadable,
      },
    );
    screen.draw(terminal.render(filterTrace(trace, filter), orderTree(flow)));
    const isSampled = found.logged.some(({ trace: context }) => context?.sampled);
    const { sequence } = found.logged.at(-2) ?? {};
    const isLast = ({ kind, attributes }: Span) =>
      kind === "CONSUMER" && attributes[attribute.sequence] === sequence;
    return !isSampled || found.spans.some(isLast);
  };
  const stop = new AbortController();
  const drawing = redraw(draw, stop.signal);
  return {
    async close() {
      stop.abort();
      await drawing;
      const deadline = performance.now() + lastSpansMs;
      while (!(await draw().catch(() => true)) && performance.now() < deadline) await wait(redrawMs);
    },
  };
}

/** A broker that is away for a moment is no reason to stop. */
async function redraw(draw: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  await draw().catch(() => {});
  try {
    for await (const _ of every(redrawMs, undefined, { signal })) await draw().catch(() => {});
  } catch {
    // The timer ends with this.
  }
}

type Following = {
  orderId: string;
  /** Where in the stream the order begins. */
  fromSequence: number;
  signal: AbortSignal;
};

/**
 * Hands over each event of an order with all before it, those that are stored already at once. Resolves when the
 * customer was notified, or when `signal` aborts.
 */
export async function followOrder(
  { connection, flow }: FlowLog,
  { orderId, fromSequence, signal }: Following,
  onEvent: (logged: readonly LoggedEvent[]) => void,
): Promise<void> {
  const ended = new AbortController();
  const logged: LoggedEvent[] = [];
  const filter = flow.subjectOf("*", orderId);
  const scan = { stream: flow.stream, filter, start: { sequence: fromSequence }, follow: true };
  await scanStream(connection, { ...scan, signal: AbortSignal.any([signal, ended.signal]) }, (message) => {
    // What is no event has no place among those of the order.
    const place = flow.parseSubject(message.subject);
    if (!place || findFault(flow, message.subject, message.payload) !== undefined) return;
    logged.push(loggedEvent(flow, { ...place, message }));
    onEvent([...logged]);
    if (place.kind === flow.ending) ended.abort();
  });
}
