import { setTimeout as wait } from "node:timers/promises";
import type { Online } from "../cli/command-action.ts";
import { readClock } from "../cli/read-clock.ts";
import { showOn, showSamples } from "../cli/watch.ts";
import { OrderctlError } from "../core/errors.ts";
import { endingIn } from "../flow/endings.ts";
import { type FlowLog, findFault } from "../flow/flow.ts";
import { type LoggedEvent, loggedEvent } from "../flow/key-log.ts";
import { buildTimeline } from "../flow/timeline.ts";
import type { BrokerClock } from "../jetstream/client/broker-clock.ts";
import type { StoredMessage } from "../jetstream/streams/read-message.ts";
import { scanStream } from "../jetstream/streams/read-stream.ts";
import type { Span } from "../telemetry/tracing/span.ts";
import { attribute } from "../telemetry/tracing/span-names.ts";
import { filterTrace, type TraceFilter } from "./filter.ts";
import { brokerSpans, type FoundTrace, findTrace } from "./find-trace.ts";
import { buildOrderTrace, type OrderTrace } from "./picture.ts";
import { traceEventLine } from "./view/event-line.ts";
import { orderTree } from "./view/order-tree.ts";

type Shown = { errors?: boolean; critical?: boolean; min?: number; all?: boolean };

const redrawMs = 250;
/** Processes export their spans once a second, so the last ones arrive within this time. */
const lastSpansMs = 2500;

/** Shows an order until it has ended: redrawn in place on a terminal, one line per event elsewhere. */
export async function followTrace(app: Online, { logged }: FoundTrace, shown: Shown): Promise<void> {
  const { flow, terminal, signal } = app;
  const orderId = logged[0]?.key ?? "";
  const fromSequence = Math.min(...logged.map(({ sequence }) => sequence));
  const clock = await readClock(app, flow.stream);
  const drawing = terminal.live ? await openDrawing(app, { orderId, clock }, shown) : undefined;
  try {
    await followOrder(app, { orderId, fromSequence, signal }, (events) => {
      if (!drawing) showLast(app, events, clock);
    });
  } finally {
    await drawing?.close();
  }
  if (signal.aborted)
    throw new OrderctlError("interrupted", `${app.flow.noun.one} ${orderId} has not ended yet`);
}

function showLast({ flow, terminal }: Online, events: readonly LoggedEvent[], { nowUs }: BrokerClock): void {
  const hop = buildTimeline(flow, events, nowUs()).hops.at(-1);
  if (hop) terminal.show("order-event", hop, traceEventLine(flow));
}

/** Redraws the order's log and spans several times a second; `close` leaves the last state on the terminal. */
async function openDrawing(
  online: Online,
  { orderId, clock }: { orderId: string; clock: BrokerClock },
  shown: Shown,
) {
  const { connection, flow, terminal } = online;
  const from = { log: online, spansOf: brokerSpans(connection) };
  const filter: TraceFilter = {
    errors: shown.errors ?? false,
    critical: shown.critical ?? false,
    minMs: shown.min,
  };
  /** `isWhole`: no further span is expected, as the last one of an order is the delivery that led to its ending. */
  const read = async (): Promise<{ trace: OrderTrace; isWhole: boolean }> => {
    const found = await findTrace(from, { orderId, traceId: undefined });
    const { unreadable } = found;
    const known = { ...found, flow, nowUs: clock.nowUs() };
    const trace = filterTrace(buildOrderTrace(known, { all: shown.all ?? false, unreadable }), filter);
    const isSampled = found.logged.some(({ trace: context }) => context?.sampled);
    const { sequence } = found.logged.at(-2) ?? {};
    const isLast = ({ kind, attributes }: Span) =>
      kind === "CONSUMER" && attributes[attribute.sequence] === sequence;
    return { trace, isWhole: !isSampled || found.spans.some(isLast) };
  };
  const stop = new AbortController();
  const display = showOn(await terminal.openScreen(), online, { view: orderTree(flow) });
  let pauseMs = 0;
  const readNext = async () => {
    await wait(pauseMs, undefined, { signal: stop.signal });
    pauseMs = redrawMs;
    return (await read()).trace;
  };
  const showing = showSamples(readNext, display, { signal: stop.signal, mayPass: () => true });
  return {
    async close() {
      stop.abort();
      await showing;
      const deadline = performance.now() + lastSpansMs;
      for (let isWhole = false; !isWhole && performance.now() < deadline; ) {
        const last = await read().catch(() => undefined);
        if (last) display.sample(last.trace);
        isWhole = last?.isWhole ?? true;
        if (!isWhole) await wait(redrawMs);
      }
      display.close();
    },
  };
}

type Following = {
  orderId: string;
  /** The sequence of the order's first event. */
  fromSequence: number;
  signal: AbortSignal;
};

/**
 * Calls `onEvent` for each event of an order, archived and stored ones first, with all events up to that one. Resolves
 * after the event that ends the order, or when `signal` aborts.
 */
export async function followOrder(
  { connection, flow, archive }: FlowLog,
  { orderId, fromSequence, signal }: Following,
  onEvent: (logged: readonly LoggedEvent[]) => void,
): Promise<void> {
  const ended = new AbortController();
  const logged: LoggedEvent[] = [];
  const filter = flow.filterOfKey(orderId);
  const onMessage = (message: StoredMessage) => {
    const place = flow.placeOf(message);
    // A message that does not decode as an event is skipped, and so is a repeat of an earlier one.
    if (place?.key !== orderId || logged.some(({ kind }) => kind === place.kind)) return;
    if (findFault(flow, message) !== undefined) return;
    logged.push(loggedEvent(flow, { ...place, message }));
    onEvent([...logged]);
    if (endingIn(flow, message) !== undefined) ended.abort();
  };
  for (const message of await archive.readKey(orderId)) onMessage(message);
  if (ended.signal.aborted) return;
  const scan = { stream: flow.stream, filter, start: { sequence: fromSequence }, follow: true };
  await scanStream(connection, { ...scan, signal: AbortSignal.any([signal, ended.signal]) }, onMessage);
}
