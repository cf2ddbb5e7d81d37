import { encodeRequest } from "./otlp-protobuf.ts";
import type { Item } from "./parsed-spans.ts";
import type { WireRequest, WireResourceSpans, WireScopeSpans } from "./wire.ts";
import { hexOf } from "./wire-spans.ts";

/** Spans of one trace as an `ExportTraceServiceRequest`. */
export type TraceBatch = { traceId: string; spans: number; payload: Uint8Array };

export type Batches = {
  batches: TraceBatch[];
  /** How many spans exceed the maximum size of a batch on their own. */
  tooLarge: number;
};

/** One batch per trace, or several if one would be larger than `maxBytes`. Hot path: ~4 µs per span. */
export function batchByTrace(items: readonly Item[], maxBytes: number): Batches {
  const traces = new Map<string, Item[]>();
  for (const item of items) {
    const traceId = hexOf(item.span.traceId);
    const trace = traces.get(traceId);
    if (trace) trace.push(item);
    else traces.set(traceId, [item]);
  }
  const result: Batches = { batches: [], tooLarge: 0 };
  for (const [traceId, trace] of traces) addBatches(result, traceId, { items: trace, maxBytes });
  return result;
}

type Part = { items: readonly Item[]; maxBytes: number };

function addBatches(result: Batches, traceId: string, { items, maxBytes }: Part): void {
  const payload = encodeRequest(requestOf(items));
  if (payload.length <= maxBytes) {
    result.batches.push({ traceId, spans: items.length, payload });
    return;
  }
  if (items.length === 1) {
    result.tooLarge += 1;
    return;
  }
  const middle = items.length >> 1;
  addBatches(result, traceId, { items: items.slice(0, middle), maxBytes });
  addBatches(result, traceId, { items: items.slice(middle), maxBytes });
}

/**
 * A request with these spans, under the resources and scopes that they came with. Spans of one scope must follow each
 * other.
 */
function requestOf(items: readonly Item[]): WireRequest {
  const resourceSpans: WireResourceSpans[] = [];
  let last: Item | undefined;
  let scopes: WireScopeSpans[] = [];
  for (const item of items) {
    if (item.resource !== last?.resource) {
      scopes = [];
      resourceSpans.push({ ...item.resource, scopeSpans: scopes });
    }
    if (item.scope !== last?.scope) scopes.push({ ...item.scope, spans: [] });
    scopes.at(-1)?.spans?.push(item.span);
    last = item;
  }
  return { resourceSpans };
}
