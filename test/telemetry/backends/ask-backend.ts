import { type BackendKind, readBackendTrace } from "../../../src/telemetry/backends/read-backend-trace.ts";
import type { Span } from "../../../src/telemetry/span.ts";
import { orderId, traceId } from "./start-backend.ts";

export type Asked = { kind: BackendKind; endpoint: string; timeoutMs?: number; signal?: AbortSignal };

const never = new AbortController().signal;

export const readTrace = (
  { timeoutMs = 5000, signal = never, ...asked }: Asked,
  id = traceId,
): Promise<Span[]> => readBackendTrace({ ...asked, signal, timeoutMs, traceId: id, orderId: undefined });

export const readOrder = (
  { timeoutMs = 5000, signal = never, ...asked }: Asked,
  id = orderId,
): Promise<Span[]> => readBackendTrace({ ...asked, signal, timeoutMs, traceId: undefined, orderId: id });
