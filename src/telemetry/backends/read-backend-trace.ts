import type { SpanReading } from "../tracing/span-reading.ts";
import { type BackendClient, createBackendClient } from "./backend-client.ts";
import { parseBackendEndpoint } from "./backend-endpoint.ts";
import { readJaegerTrace } from "./jaeger.ts";
import { readTempoTrace } from "./tempo.ts";

export type BackendQuery = {
  kind: BackendKind;
  /** Undefined for the backend's default address on this machine. */
  endpoint: string | undefined;
  signal: AbortSignal;
  /** Time limit for all requests together. */
  timeoutMs: number;
} & WantedTrace;

/** A trace by its id or, if that is unknown, by the id of its order, among the traces of the last seven days. */
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
 * The spans that a tracing backend has of a trace, each once and in no particular order; empty if it does not know the
 * trace. A span that cannot be read is counted in `unreadable`. Rejects with `unavailable`, `denied`, `timeout`,
 * `too_large` (above 64 MiB), `usage` (invalid address) or `bad_message` (the answer is no trace), and with the
 * signal's reason once it aborts.
 */
export async function readBackendTrace(query: BackendQuery): Promise<SpanReading> {
  const { name, defaultEndpoint, read } = backends[query.kind];
  const endpoint = parseBackendEndpoint(query.endpoint ?? defaultEndpoint);
  const { signal, timeoutMs } = query;
  return read(createBackendClient({ name, endpoint, signal, timeoutMs }), query);
}
