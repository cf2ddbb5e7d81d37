import {
  type BackendKind,
  type BackendQuery,
  readBackendTrace,
} from "../../../src/telemetry/backends/read-backend-trace.ts";
import type { Span } from "../../../src/telemetry/tracing/span.ts";
import type { SpanReading } from "../../../src/telemetry/tracing/span-reading.ts";
import { orderId, traceId } from "./start-backend.ts";

export type Asked = { kind: BackendKind; endpoint: string; timeoutMs?: number; signal?: AbortSignal };

const never = new AbortController().signal;

export const readTrace = (
  { timeoutMs = 5000, signal = never, ...asked }: Asked,
  id = traceId,
): Promise<Span[]> => spansOf({ ...asked, signal, timeoutMs, traceId: id, orderId: undefined });

export const readOrder = (
  { timeoutMs = 5000, signal = never, ...asked }: Asked,
  id = orderId,
): Promise<Span[]> => spansOf({ ...asked, signal, timeoutMs, traceId: undefined, orderId: id });

/** Also what could not be read of it. */
export const readAll = (endpoint: string, kind: BackendKind): Promise<SpanReading> =>
  readBackendTrace({ kind, endpoint, signal: never, timeoutMs: 5000, traceId, orderId: undefined });

const spansOf = async (query: BackendQuery): Promise<Span[]> => (await readBackendTrace(query)).spans;
