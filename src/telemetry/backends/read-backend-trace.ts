import type { SpanReading } from "../tracing/span-reading.ts";
import { type BackendClient, createBackendClient } from "./backend-client.ts";
import { parseBackendEndpoint } from "./backend-endpoint.ts";
import { readJaegerTrace } from "./jaeger.ts";
import { readTempoTrace } from "./tempo.ts";

export type BackendQuery = {
  kind: BackendKind;
  /** Undefined for where the backend listens when nobody told it otherwise. */
  endpoint: string | undefined;
  signal: AbortSignal;
  /** For the whole reading, however many requests it takes. */
  timeoutMs: number;
} & WantedTrace;

/** By the id of the trace; where that is not known, by an order's, among the traces of the last seven days. */
export type WantedTrace =
  | { traceId: string; orderId: string | undefined }
  | { traceId: undefined; orderId: string };

type Backend = {
  name: string;
  defaultEndpoint: string;
  read(client: BackendClient, wanted: WantedTrace): Promise<SpanReading>;
};

const backends = {
  jaeger: { name: "Jaeger", defaultEndpoint: "http://127.0.0.1:16686", read: readJaegerTrace },
  tempo: { name: "Tempo", defaultEndpoint: "http://127.0.0.1:3200", read: readTempoTrace },
} as const satisfies Record<string, Backend>;

export type BackendKind = keyof typeof backends;

/**
 * The spans that a tracing backend holds, each once and in no promised order, none where it knows no such trace; one that
 * cannot be read costs only itself. Rejects with
 * `unavailable`, `denied`, `timeout`, `too_large` (above 64 MiB), `usage` (no address) or `bad_message` (no trace), and
 * with the signal's reason once that aborts.
 */
export async function readBackendTrace(query: BackendQuery): Promise<SpanReading> {
  const { name, defaultEndpoint, read } = backends[query.kind];
  const endpoint = parseBackendEndpoint(query.endpoint ?? defaultEndpoint);
  const { signal, timeoutMs } = query;
  return read(createBackendClient({ name, endpoint, signal, timeoutMs }), query);
}
