import type { IncomingHttpHeaders } from "node:http";
import type { TraceContext } from "./order-store.ts";

/** https://www.w3.org/TR/trace-context/#traceparent-header */
const traceparentPattern = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const tracestatePattern = /^[\x20-\x7e]{1,512}$/;

/** The caller's trace context as far as it is well-formed; a malformed one is ignored, as the standard asks. */
export function traceContextOf({ traceparent, tracestate }: IncomingHttpHeaders): TraceContext {
  if (typeof traceparent !== "string" || !traceparentPattern.test(traceparent)) return {};
  if (typeof tracestate !== "string" || !tracestatePattern.test(tracestate)) return { traceparent };
  return { traceparent, tracestate };
}
