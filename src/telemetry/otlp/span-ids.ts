import { OrderctlError } from "../../errors.ts";
import type { WireRequest, WireResourceSpans, WireScopeSpans, WireSpan } from "./wire.ts";
import { isZero } from "./wire-spans.ts";

/** A span and what it came with. */
export type Item = { resource: WireResourceSpans; scope: WireScopeSpans; span: WireSpan };

/** The spans of a request with good ids; how many have bad ones, and what is wrong with the first of those. */
export type Sorted = { items: Item[]; rejected: number; reason: string };

/** A span with a bad id can never be found again; the others of its request are not to blame. */
export function sortSpans(request: WireRequest): Sorted {
  const sorted: Sorted = { items: [], rejected: 0, reason: "" };
  request.resourceSpans?.forEach((resource, r) => {
    resource.scopeSpans?.forEach((scope, s) => {
      scope.spans?.forEach((span, n) => {
        const fault = faultOf(span);
        if (fault === undefined) sorted.items.push({ resource, scope, span });
        else if (++sorted.rejected === 1)
          sorted.reason = `resourceSpans[${r}].scopeSpans[${s}].spans[${n}].${fault}`;
      });
    });
  });
  return sorted;
}

/** The request itself where all its spans have good ids; throws `bad_message` naming the first that has not. */
export function checkSpanIds(request: WireRequest): WireRequest {
  const { rejected, reason } = sortSpans(request);
  if (rejected > 0) throw new OrderctlError("bad_message", reason);
  return request;
}

const traceIdBytes = 16;
const spanIdBytes = 8;

function faultOf({ traceId, spanId, parentSpanId }: WireSpan): string | undefined {
  if (traceId?.length !== traceIdBytes) return "traceId: expected 32 hex digits";
  if (spanId?.length !== spanIdBytes) return "spanId: expected 16 hex digits";
  if (parentSpanId?.length && parentSpanId.length !== spanIdBytes)
    return "parentSpanId: expected 16 hex digits, or none";
  if (isZero(traceId)) return "traceId: all zero";
  return isZero(spanId) ? "spanId: all zero" : undefined;
}
