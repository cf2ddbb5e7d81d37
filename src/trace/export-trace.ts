import { createHash } from "node:crypto";
import type { Flow } from "../flow/flow.ts";
import type { LoggedEvent } from "../flow/key-log.ts";
import { buildTimeline, type TimelineHop } from "../flow/timeline.ts";
import type { Attributes, Span } from "../telemetry/tracing/span.ts";
import { attribute } from "../telemetry/tracing/span-names.ts";
import { buildSpanTree } from "../telemetry/tracing/span-tree.ts";
import type { FoundTrace } from "./find-trace.ts";
import { findHopSpans, type HopSpans } from "./hop-spans.ts";

/** The attribute of a span that was made from the log, not received. */
export const fromLog = "orderctl.from_log";

/**
 * Returns all known spans: the received ones, plus one for each publish or process step that the log shows and no
 * received span covers, by the broker's clock. The same order always gets the same ids.
 */
export function exportTrace(flow: Flow, { logged, spans }: Pick<FoundTrace, "logged" | "spans">): Span[] {
  if (logged.length === 0) return spans;
  const nodes = buildSpanTree(spans);
  const { orderId, hops } = buildTimeline(flow, logged, 0);
  const traceId = logged.find(({ trace }) => trace)?.trace?.traceId ?? hash(`order ${orderId}`, 32);
  const publishIds = new Map<number | null, string>();
  const made: Span[] = [];
  for (const one of logged) {
    const hop = hops.find(({ sequence }) => sequence === one.sequence);
    if (!hop) continue;
    const cause = logged.find(({ sequence }) => sequence === hop.causeSequence);
    const known = findHopSpans(flow, { logged: one, cause }, nodes);
    const idOf = (what: "publish" | "process") =>
      known[what]?.span.spanId ?? hash(`${orderId} ${hop.kind} ${what}`, 16);
    const told: Told = {
      flow,
      one,
      cause,
      hop,
      traceId,
      ids: { publish: idOf("publish"), process: idOf("process") },
    };
    publishIds.set(hop.sequence, told.ids.publish);
    made.push(...missingSpans(told, known, publishIds.get(hop.causeSequence) ?? null));
  }
  return [...spans, ...made];
}

function missingSpans(told: Told, known: HopSpans, parentId: string | null): Span[] {
  const publish = known.publish ? [] : [publishSpan(told)];
  return told.cause && !known.process ? [processSpan(told, told.cause, parentId), ...publish] : publish;
}

type Told = {
  flow: Flow;
  one: LoggedEvent;
  cause: LoggedEvent | undefined;
  hop: TimelineHop;
  traceId: string;
  ids: { publish: string; process: string };
};

const hash = (text: string, digits: number): string =>
  createHash("sha256").update(text).digest("hex").slice(0, digits);

function publishSpan(told: Told): Span {
  const { flow, one, cause, hop, ids } = told;
  const storedUs = one.storedAtUs;
  const attributes = { ...named(flow, one, ["publish", "send"]), [attribute.sequence]: one.sequence };
  return {
    ...spanOf(told, attributes),
    spanId: ids.publish,
    parentSpanId: cause ? ids.process : null,
    name: `publish ${flow.templateOf(one.kind)}`,
    kind: "PRODUCER",
    ...between(storedUs - Math.round((hop.storingMs ?? 0) * 1000), storedUs),
  };
}

function processSpan(told: Told, cause: LoggedEvent, parentSpanId: string | null): Span {
  const { flow, one, hop, ids, traceId } = told;
  const receivedUs = cause.storedAtUs + Math.round((hop.waitedMs ?? 0) * 1000);
  const attributes = {
    ...named(flow, cause, ["process", "process"]),
    [attribute.sequence]: cause.sequence,
    [attribute.deliveryAttempt]: hop.attempt ?? 1,
  };
  return {
    ...spanOf(told, attributes),
    spanId: ids.process,
    parentSpanId,
    name: `process ${flow.templateOf(cause.kind)}`,
    kind: "CONSUMER",
    links: parentSpanId === null ? [] : [{ traceId, spanId: parentSpanId, attributes: {} }],
    ...between(receivedUs, one.storedAtUs),
  };
}

const named = (flow: Flow, { kind, key }: LoggedEvent, [operation, type]: [string, string]): Attributes => ({
  [attribute.system]: "nats",
  [attribute.operationName]: operation,
  [attribute.operationType]: type,
  [attribute.destination]: flow.subjectOf(kind, key),
  [attribute.template]: flow.templateOf(kind),
  [attribute.orderId]: key,
});

const spanOf = ({ hop, traceId }: Told, attributes: Attributes) => ({
  traceId,
  status: { code: "UNSET" as const, message: "" },
  attributes: {
    ...attributes,
    ...(hop.service === null ? {} : { [attribute.service]: hop.service }),
    [fromLog]: true,
  },
  resource: {
    "service.name": hop.service ?? "unknown",
    "service.namespace": "orderctl",
    ...(hop.instance === null ? {} : { "service.instance.id": hop.instance }),
  },
  events: [],
  links: [],
});

const between = (fromUs: number, toUs: number) => ({
  startNs: BigInt(fromUs) * 1000n,
  endNs: BigInt(Math.max(fromUs, toUs)) * 1000n,
});
