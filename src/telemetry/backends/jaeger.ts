import { decodeOtlpJson } from "../otlp/otlp-json.ts";
import { attribute } from "../tracing/span-names.ts";
import { joinReadings, type SpanReading } from "../tracing/span-reading.ts";
import type { BackendClient } from "./backend-client.ts";
import { nothing, someOf } from "./backend-reading.ts";
import { decodeJaegerTrace, type JaegerTrace } from "./jaeger-spans.ts";
import { toOtlpDocument } from "./otlp-document.ts";
import type { WantedTrace } from "./read-backend-trace.ts";
import { maxTraces, searchWindow } from "./search-window.ts";

/** An order is in one trace, so the first service that knows it ends the search. */
const maxServices = 100;

/**
 * Reads from Jaeger 1.x and 2.x: https://www.jaegertracing.io/docs/latest/apis/. Version 3 of its API is precise to the
 * ns, the one before it to the µs; every Jaeger has one of them, most have both.
 */
export async function readJaegerTrace(client: BackendClient, wanted: WantedTrace): Promise<SpanReading> {
  const { traceId, orderId } = wanted;
  const traceIds = traceId === undefined ? await findTraces(client, orderId) : [traceId];
  const readings: SpanReading[] = [];
  for (const id of traceIds) readings.push(await readById(client, id));
  return joinReadings(readings);
}

/** Raw: Jaeger would else move the spans of one host to fit those of another. */
async function readById(client: BackendClient, traceId: string): Promise<SpanReading> {
  const modern = await client.get(`/api/v3/traces/${traceId}`, { raw_traces: "true" });
  if (modern.kind !== "no_route") return client.settle(modern, nothing, decodeChunks);
  const older = await client.get(`/api/traces/${traceId}`, { raw: "true" });
  return client.settle(older, nothing, (value) =>
    someOf(joinReadings(dataOf<JaegerTrace>(value).map(decodeJaegerTrace))),
  );
}

/** One document, or one after the other where a gRPC gateway streams them; some versions wrap it into `result`. */
const decodeChunks = (value: unknown): SpanReading =>
  someOf(joinReadings((Array.isArray(value) ? value : [value]).map(decodeChunk)));

function decodeChunk(chunk: { result?: unknown; resourceSpans?: unknown }): SpanReading {
  const trace = chunk.result ?? chunk;
  if (trace === chunk && !chunk.resourceSpans) throw new TypeError("neither result nor resourceSpans");
  return decodeOtlpJson(toOtlpDocument(trace));
}

/**
 * By the older API: the newer one has learnt to search by attributes only lately, and versions that have not ignore what
 * they are asked and return any trace. Both want a service named.
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

/** What the older API wraps into `{"data": […]}`; `null` for none. */
function dataOf<T>(value: unknown): T[] {
  const { data } = value as { data?: T[] | null };
  if (data === undefined) throw new TypeError("no data");
  return data ?? [];
}
