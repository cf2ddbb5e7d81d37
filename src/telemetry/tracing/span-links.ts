import { defaultTextMapGetter, type Link, propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import type { TraceHeaders } from "./tracing.ts";

/** Links to the span that a message's headers carry; none where they carry none. */
export function linksTo(headers: TraceHeaders | undefined): Link[] {
  const from = propagation.extract(ROOT_CONTEXT, headers ?? {}, defaultTextMapGetter);
  const context = trace.getSpanContext(from);
  return context ? [{ context }] : [];
}
