import type { Destination } from "../cli/destination.ts";
import { isoTime } from "../core/units.ts";
import type { FlowLog, FlowShape } from "../flow/flow.ts";
import type { Publication, Stored } from "../jetstream/publish/publication.ts";
import { Publisher } from "../jetstream/publish/publisher.ts";
import { underPrefix } from "../jetstream/streams/replay-streams.ts";
import type { StreamMessage } from "../jetstream/streams/stream-message.ts";
import type { Tracing } from "../telemetry/tracing/tracing.ts";
import { traceNames } from "./selection.ts";
import type { PrefixResult, ReplayTarget, Settle } from "./target.ts";

/** Where the original is: its stream, sequence and time of storage. */
const originHeader = "Orderctl-Origin";
/** The traceparent of the original; a traced copy has a trace of its own. */
const originTraceHeader = "Orderctl-Origin-Traceparent";

export type PrefixOptions = {
  stream: string;
  destination: Destination;
  window: number;
  tracing: Tracing | undefined;
};

/**
 * Publishes copies under another prefix, with the originals' headers except for the trace context: a copy starts its
 * own trace, linked to the original's, or has none when tracing is off.
 */
export function createPrefixTarget(
  { connection, flow }: FlowLog,
  { stream, destination, window, tracing }: PrefixOptions,
): ReplayTarget {
  const publisher = new Publisher(connection, { window });
  const result: PrefixResult = {
    target: "prefix",
    ...destination,
    stored: 0,
    alreadyThere: 0,
    differentThere: 0,
  };
  return {
    take(message, settle) {
      const copy = copyOf(message, stream, destination.prefix);
      publish({ flow, publisher, tracing }, copy, { message, settle, result });
      return publisher.isFull ? publisher.ready() : undefined;
    },
    drain: () => publisher.drain(),
    close: async () => publisher.close(),
    result: () => result,
  };
}

type Copy = Publication & { headers: Record<string, string> };

function copyOf(message: StreamMessage, stream: string, prefix: string): Copy {
  const { sequence, storedAtUs, payload } = message;
  const { traceparent, tracestate: _, ...headers } = message.headers();
  headers[originHeader] = `stream=${stream};sequence=${sequence};stored=${isoTime(storedAtUs)}`;
  if (traceparent !== undefined) headers[originTraceHeader] = traceparent;
  return { subject: underPrefix(message.subject, prefix), payload, headers };
}

function publish(
  { flow, publisher, tracing }: { flow: FlowShape; publisher: Publisher; tracing: Tracing | undefined },
  copy: Copy,
  { message, settle, result }: { message: StreamMessage; settle: Settle; result: PrefixResult },
): void {
  const { subject, payload } = copy;
  const span = tracing?.publish({
    subject,
    ...traceNames(flow, subject),
    service: "replay",
    bodyBytes: payload.length,
    linkTo: traceOf(message),
  });
  Object.assign(copy.headers, span?.headers);
  publisher.send(copy, {
    resolve(stored) {
      span?.stored(stored);
      count(result, stored, payload);
      settle();
    },
    reject(error) {
      span?.failed(error);
      settle(error);
    },
  });
}

function count(result: PrefixResult, { duplicate, existing }: Stored, payload: Uint8Array): void {
  if (!duplicate) result.stored += 1;
  else result.alreadyThere += 1;
  if (existing && Buffer.compare(existing, payload) !== 0) result.differentThere += 1;
}

function traceOf({ header }: StreamMessage): Record<string, string> | undefined {
  const traceparent = header("traceparent");
  return traceparent === undefined ? undefined : { traceparent };
}
