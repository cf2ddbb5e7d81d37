import { decodeOtlpJson } from "../otlp/otlp-json.ts";
import { attribute } from "../tracing/span-names.ts";
import { joinReadings, type SpanReading } from "../tracing/span-reading.ts";
import type { BackendClient } from "./backend-client.ts";
import { nothing, someOf } from "./backend-reading.ts";
import { decodeJaegerTrace, type JaegerTrace } from "./jaeger-spans.ts";
import { toOtlpDocument } from "./otlp-document.ts";
import type { WantedTrace } from "./read-backend-trace.ts";
import { maxTraces, searchWindow } from "./search-window.ts";

/**
 * How many services are searched for an order. The first one that knows the order ends the search, since an order is in
 * one trace.
 */
const maxServices = 100;

/**
 * Reads a trace from Jaeger 1.x or 2.x: https://www.jaegertracing.io/docs/latest/apis/. Version 3 of its API is precise
 * to the ns, the older one to the µs; every Jaeger has at least one of them.
 */
export async function readJaegerTrace(client: BackendClient, wanted: WantedTrace): Promise<SpanReading> {
  const { traceId, orderId } = wanted;
  const traceIds = traceId === undefined ? await findTraces(client, orderId) : [traceId];
  const readings: SpanReading[] = [];
  for (const id of traceIds) readings.push(await readById(client, id));
  return joinReadings(readings);
}

/** Asks for raw traces: otherwise Jaeger moves the spans of one host to fit those of another. */
async function readById(client: BackendClient, traceId: string): Promise<SpanReading> {
  const modern = await client.get(`/api/v3/traces/${traceId}`, { raw_traces: "true" });
  if (modern.kind !== "no_route") return client.settle(modern, nothing, decodeChunks);
  const older = await client.get(`/api/traces/${traceId}`, { raw: "true" });
  return client.settle(older, nothing, (value) =>
    someOf(joinReadings(dataOf<JaegerTrace>(value).map(decodeJaegerTrace))),
  );
}

/** Reads one document, or several if a gRPC gateway streamed them; some versions wrap each into `result`. */
const decodeChunks = (value: unknown): SpanReading =>
  someOf(joinReadings((Array.isArray(value) ? value : [value]).map(decodeChunk)));

function decodeChunk(chunk: { result?: unknown; resourceSpans?: unknown }): SpanReading {
  const trace = chunk.result ?? chunk;
  if (trace === chunk && !chunk.resourceSpans) throw new TypeError("neither result nor resourceSpans");
  return decodeOtlpJson(toOtlpDocument(trace));
}

/**
 * Uses the older API: versions whose newer API cannot search by attributes yet ignore the condition and return any
 * trace. Both APIs require the name of a service.
 */
async function findTraces(client: BackendClient, orderId: string): Promise<string[]> {
  const { startMs, endMs } = searchWindow();
  const services = client.settle(await client.get("/api/services"), [], dataOf<string>);
  for (const service of services.slice(0, maxServices)) {
    const found = await client.get("/api/traces", {
      service,
      tags: JSON.stringify({ [attribute.orderId]: orderId }),
      start: String(startMs * 1000),
      end: String(endMs * 1000),
      limit: String(maxTraces),
    });
    const traceIds = client.settle(found, [], traceIdsOf);
    if (traceIds.length > 0) return traceIds;
  }
  return [];
}

const traceIdsOf = (value: unknown): string[] =>
  dataOf<{ traceID: string }>(value).map(({ traceID }) => traceID.padStart(32, "0"));

/** The older API wraps its results into `{"data": […]}`, with `null` for none. */
function dataOf<T>(value: unknown): T[] {
  const { data } = value as { data?: T[] | null };
  if (data === undefined) throw new TypeError("no data");
  return data ?? [];
}
