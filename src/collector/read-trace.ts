import { OrderctlError } from "../core/errors.ts";
import type { Connection } from "../jetstream/client/connection.ts";
import type { StoredMessage } from "../jetstream/streams/read-message.ts";
import { readSubject } from "../jetstream/streams/read-subject.ts";
import { decodeOtlp } from "../telemetry/otlp/otlp-protobuf.ts";
import { joinReadings, type SpanReading } from "../telemetry/tracing/span-reading.ts";
import { traceSubject, tracesStream } from "./traces-stream.ts";

/**
 * Every stored span of a trace, by start time, each once, since an exporter that got no answer sends its spans again.
 * Empty if none is stored or there is no stream; messages and spans that cannot be read are counted in `unreadable`.
 * `traceId` is 32 hex digits.
 */
export async function readTrace(connection: Connection, traceId: string): Promise<SpanReading> {
  const readings: SpanReading[] = [];
  const place = { stream: tracesStream, subject: traceSubject(traceId.toLowerCase()) };
  await readSubject(connection, place, (message) => readings.push(readSpans(message))).catch((thrown) => {
    if (!(thrown instanceof OrderctlError) || thrown.code !== "not_found") throw thrown;
  });
  const { spans, unreadable } = joinReadings(readings);
  return { spans: spans.sort((a, b) => Number(a.startNs - b.startNs)), unreadable };
}

/**
 * Every program can publish to the stream: a message that is no OTLP counts as one unreadable span, and an unreadable
 * span does not affect the others of its message.
 */
function readSpans({ payload, sequence }: StoredMessage): SpanReading {
  const place = (reason: string) => `sequence ${sequence} of ${tracesStream}: ${reason}`;
  try {
    const { spans, unreadable } = decodeOtlp(payload);
    return { spans, unreadable: { ...unreadable, reasons: unreadable.reasons.map(place) } };
  } catch (thrown) {
    const { message } = OrderctlError.from(thrown);
    return { spans: [], unreadable: { spans: 1, reasons: [place(message)] } };
  }
}
