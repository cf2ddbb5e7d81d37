import { OrderctlError } from "../errors.ts";
import type { Connection } from "../jetstream/connection.ts";
import { readSubject } from "../jetstream/read-subject.ts";
import { decodeOtlp } from "../telemetry/otlp/otlp-protobuf.ts";
import type { Span } from "../telemetry/span.ts";
import { traceSubject, tracesStream } from "./topology.ts";

/**
 * Every span stored of a trace, by start time, each once: an exporter that got no answer sends again. Empty where none
 * is stored or nobody ever collected. `traceId` is 32 hex digits.
 */
export async function readTrace(connection: Connection, traceId: string): Promise<Span[]> {
  const messages = await readSubject(connection, tracesStream, traceSubject(traceId.toLowerCase())).catch(
    (thrown) => {
      if (thrown instanceof OrderctlError && thrown.code === "not_found") return [];
      throw thrown;
    },
  );
  const spans = new Map<string, Span>();
  for (const { payload } of messages) for (const span of readSpans(payload)) spans.set(span.spanId, span);
  return [...spans.values()].sort((a, b) => Number(a.startNs - b.startNs));
}

/** None where the message is no OTLP: the stream is open to every program, and a trace is worth showing without it. */
function readSpans(payload: Uint8Array): Span[] {
  try {
    return decodeOtlp(payload);
  } catch {
    return [];
  }
}
