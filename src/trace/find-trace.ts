import { readTrace } from "../collector/read-trace.ts";
import { OrderctlError } from "../core/errors.ts";
import type { FlowLog } from "../flow/flow.ts";
import { type FalseMessage, type LoggedEvent, type LoggedKey, readKey } from "../flow/key-log.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { Span } from "../telemetry/tracing/span.ts";
import { textOf } from "../telemetry/tracing/span-facts.ts";
import { attribute } from "../telemetry/tracing/span-names.ts";
import { joinReadings, type SpanReading, type UnreadableSpans } from "../telemetry/tracing/span-reading.ts";

/** The events and spans found of one order or trace; either may be empty. */
export type FoundTrace = {
  logged: LoggedEvent[];
  falseMessages: FalseMessage[];
  spans: Span[];
  unreadable: UnreadableSpans;
};

/** Spans by trace id; when no trace id is known, by order id. */
export type WantedSpans = { traceIds: readonly string[]; orderId: string | undefined };

export type SpanSource = (wanted: WantedSpans) => Promise<SpanReading>;

/** The spans kept by the broker, which finds them by trace id only. */
export const brokerSpans =
  (connection: Connection): SpanSource =>
  async ({ traceIds }) =>
    joinReadings(await Promise.all(traceIds.map((id) => readTrace(connection, id))));

/** `log`: undefined where only spans are asked for. */
type Sources = { log: FlowLog | undefined; spansOf: SpanSource };

/**
 * Finds an order in the log and its spans in `spansOf`. An id that looks like a trace id is tried as an order id first,
 * then as a trace id; the log is then read for the order that all its spans name. Spans of unsampled traces are not
 * requested. Without a log only spans are found. Rejects with `unavailable` when the archive cannot be read.
 */
export async function findTrace(
  { log, spansOf }: Sources,
  { orderId, traceId }: { orderId: string; traceId: string | undefined },
): Promise<FoundTrace> {
  const readLog = async (id: string) => (log ? readKey(log, id) : nothing);
  const { events: logged, falseMessages } = await readLog(orderId).catch((thrown) => {
    if (traceId === undefined) throw thrown;
    return withoutLog(thrown);
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
  const order = await readLog(told).catch(withoutLog);
  return { logged: order.events, falseMessages: order.falseMessages, ...reading };
}

const nothing: LoggedKey = { events: [], falseMessages: [] };

/** A broker that keeps only traces has no log to read. An archive that cannot be read may hold the order. */
function withoutLog(thrown: unknown): LoggedKey {
  if (OrderctlError.from(thrown).source === "store") throw thrown;
  return nothing;
}

const sampledTraces = (logged: readonly LoggedEvent[]): string[] => [
  ...new Set(logged.flatMap(({ trace }) => (trace?.sampled ? [trace.traceId] : []))),
];

/** The order ids that spans name. */
export const orderIdsOf = (spans: readonly Span[]): string[] => [
  ...new Set(spans.flatMap(({ attributes }) => textOf(attributes, attribute.orderId) ?? [])),
];
