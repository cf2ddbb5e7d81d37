import { readTrace } from "../collector/read-trace.ts";
import type { Flow } from "../flow/flow.ts";
import { type FalseMessage, type LoggedEvent, type LoggedKey, readKey } from "../flow/key-log.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { Span } from "../telemetry/tracing/span.ts";
import { textOf } from "../telemetry/tracing/span-facts.ts";
import { attribute } from "../telemetry/tracing/span-names.ts";
import { joinReadings, type SpanReading, type UnreadableSpans } from "../telemetry/tracing/span-reading.ts";

/** What the log and the spans know of one order or trace; each may be empty. */
export type FoundTrace = {
  logged: LoggedEvent[];
  falseMessages: FalseMessage[];
  spans: Span[];
  unreadable: UnreadableSpans;
};

/** Traces by their ids; where none is known, those of an order. */
export type WantedSpans = { traceIds: readonly string[]; orderId: string | undefined };

export type SpanSource = (wanted: WantedSpans) => Promise<SpanReading>;

/** Spans as the broker keeps them, by trace id only. */
export const brokerSpans =
  (connection: Connection): SpanSource =>
  async ({ traceIds }) =>
    joinReadings(await Promise.all(traceIds.map((id) => readTrace(connection, id))));

type Sources = { connection: Connection | undefined; flow: Flow; spansOf: SpanSource };

/**
 * Looks an order up in the log and its spans in `spansOf`. What looks like a trace id is an order's first, then a
 * trace's: then the order is found by what its spans say, if it is one. Spans of a trace that was not sampled are not
 * asked for. Without a connection there are only spans.
 */
export async function findTrace(
  { connection, flow, spansOf }: Sources,
  { orderId, traceId }: { orderId: string; traceId: string | undefined },
): Promise<FoundTrace> {
  const readLog = async (id: string) => (connection ? readKey({ connection, flow }, id) : nothing);
  // A broker that keeps traces need not keep orders.
  const { events: logged, falseMessages } = await readLog(orderId).catch((thrown) => {
    if (traceId === undefined) throw thrown;
    return nothing;
  });
  if (logged.length > 0) {
    const reading = await spansOf({ traceIds: sampledTraces(logged), orderId });
    return { logged, falseMessages, ...reading };
  }
  const wanted =
    traceId === undefined ? { traceIds: [], orderId } : { traceIds: [traceId], orderId: undefined };
  const reading = await spansOf(wanted);
  const [told, ...others] = orderIdsOf(reading.spans);
  if (told === undefined || others.length > 0) return { logged: [], falseMessages, ...reading };
  const order = await readLog(told).catch(() => nothing);
  return { logged: order.events, falseMessages: order.falseMessages, ...reading };
}

const nothing: LoggedKey = { events: [], falseMessages: [] };

const sampledTraces = (logged: readonly LoggedEvent[]): string[] => [
  ...new Set(logged.flatMap(({ trace }) => (trace?.sampled ? [trace.traceId] : []))),
];

/** The orders that spans tell of. */
export const orderIdsOf = (spans: readonly Span[]): string[] => [
  ...new Set(spans.flatMap(({ attributes }) => textOf(attributes, attribute.orderId) ?? [])),
];
