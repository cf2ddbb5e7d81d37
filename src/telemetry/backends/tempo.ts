import { decodeOtlpJson } from "../otlp/otlp-json.ts";
import { attribute } from "../tracing/span-names.ts";
import { joinReadings, type SpanReading } from "../tracing/span-reading.ts";
import type { BackendClient } from "./backend-client.ts";
import { nothing, someOf } from "./backend-reading.ts";
import { toOtlpDocument } from "./otlp-document.ts";
import type { WantedTrace } from "./read-backend-trace.ts";
import { maxTraces, searchWindow } from "./search-window.ts";

/** Reads a trace from Tempo 1.x or 2.x: https://grafana.com/docs/tempo/latest/api_docs/ */
export async function readTempoTrace(client: BackendClient, wanted: WantedTrace): Promise<SpanReading> {
  const { traceId, orderId } = wanted;
  const traceIds = traceId === undefined ? await findTraces(client, orderId) : [traceId];
  const readings: SpanReading[] = [];
  for (const id of traceIds) readings.push(await readById(client, id));
  return joinReadings(readings);
}

/** Passes a time range: without one, Tempo searches only the last minutes, not what it has stored. */
async function findTraces(client: BackendClient, orderId: string): Promise<string[]> {
  const { startMs, endMs } = searchWindow();
  const answer = await client.get("/api/search", {
    q: `{ span.${attribute.orderId} = ${JSON.stringify(orderId)} }`,
    start: String(Math.floor(startMs / 1000)),
    end: String(Math.floor(endMs / 1000)),
    limit: String(maxTraces),
  });
  return client.settle(answer, [], traceIdsOf);
}

type Found = { traces?: { traceID: string }[] | null };

/** Tempo leaves out leading zeros of ids in search results. */
const traceIdsOf = (value: unknown): string[] =>
  ((value as Found).traces ?? []).map(({ traceID }) => traceID.padStart(32, "0"));

async function readById(client: BackendClient, traceId: string): Promise<SpanReading> {
  const answer = await client.get(`/api/v2/traces/${traceId}`);
  const answered = answer.kind === "no_route" ? await client.get(`/api/traces/${traceId}`) : answer;
  return client.settle(answered, nothing, spansOf);
}

type TempoTrace = { batches?: unknown; resourceSpans?: unknown };

/** `/api/v2/traces` wraps the trace into `trace`, which is empty or absent if there is none. */
function spansOf(value: unknown): SpanReading {
  const { trace, metrics, ...rest } = value as TempoTrace & { trace?: TempoTrace; metrics?: unknown };
  const spans = trace ?? rest;
  if (spans.batches || spans.resourceSpans) return someOf(decodeOtlpJson(toOtlpDocument(spans)));
  if (trace || metrics) return nothing;
  throw new TypeError("neither trace nor batches");
}
