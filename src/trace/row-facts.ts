import type { Span } from "../telemetry/tracing/span.ts";
import {
  breakerOf,
  errorOf,
  instanceOf,
  isFailed,
  numberOf,
  serviceOf,
} from "../telemetry/tracing/span-facts.ts";
import { attribute } from "../telemetry/tracing/span-names.ts";
import { type Fold, namePattern } from "./fold.ts";
import type { KnownOrder } from "./merge.ts";
import { spanOf, type TraceNode } from "./node.ts";
import type { TraceRow } from "./rows.ts";
import { describeHold } from "./segment.ts";

/** The fields of a row that describe what it stands for. */
export type RowFacts = Pick<
  TraceRow,
  | "is"
  | "label"
  | "count"
  | "failed"
  | "sequence"
  | "service"
  | "instance"
  | "outcome"
  | "heldBy"
  | "retried"
  | "refused"
  | "error"
  | "parentMissing"
  | "parentInCircle"
>;

/** The facts of an event of the log, or of the wait of an order under way. */
export function tellEvent(node: TraceNode, order: KnownOrder | undefined): RowFacts {
  const { of, absorbed } = node;
  const failures = absorbed.filter((span) => isFailed(span) && span.kind === "CONSUMER");
  const common = {
    failed: failures.length,
    error: failures.map(errorOf).at(-1) ?? null,
    heldBy: holderOf(node),
    retried: failures.length > 0,
    parentMissing: false,
    parentInCircle: false,
  };
  if (of.is !== "event")
    return { ...common, ...tellPending(order, common.heldBy), count: failures.length + 1 };
  const { kind, sequence, service, instance, attempt, refused } = of.hop;
  const [span] = absorbed;
  const count = attempt ?? failures.length + 1;
  return {
    ...common,
    ...{ is: "event", label: order?.flow.labelOf(kind) ?? kind, count, sequence, refused },
    outcome: order?.flow.phrase(kind, of.hop) ?? of.hop.outcome,
    service: service ?? (span ? serviceOf(span) : null),
    instance: instance ?? (span ? instanceOf(span) : null),
    retried: count > 1,
  };
}

/** The breaker named by the event's hop header or by the process status, else by a child span. */
function holderOf({ of, children }: TraceNode): string | null {
  const told = of.is === "event" ? of.hop.heldBy : of.is === "pending" ? of.heldBy : null;
  return told ?? heldByOf(children);
}

/** The breaker of the first node that waited for one. */
const heldByOf = (nodes: readonly TraceNode[]): string | null =>
  nodes
    .flatMap((node) => spanOf(node) ?? [])
    .map(breakerOf)
    .find((name) => name !== undefined) ?? null;

function tellPending(order: KnownOrder | undefined, breaker: string | null) {
  const service = order?.timeline.waitingFor ?? "";
  const label = labelOfNext(order) ?? service;
  const outcome = breaker === null ? `waiting for ${service}` : describeHold(breaker);
  return { is: "pending" as const, label, service, instance: null, sequence: null, outcome, refused: false };
}

/** What is due next, where it is one kind of event. */
function labelOfNext(order: KnownOrder | undefined): string | undefined {
  const [kind, ...others] = order?.next?.emits ?? [];
  return kind === undefined || others.length > 0 ? undefined : order?.flow.labelOf(kind);
}

/** The facts of a span, or of several that share a row. */
export function tellSpans({ as, members }: Fold): RowFacts {
  const spans = members.flatMap((node) => spanOf(node) ?? []);
  const same = (values: (string | null)[]) => (new Set(values).size === 1 ? (values[0] ?? null) : null);
  const names = same(spans.map(({ name }) => name));
  return {
    is: "span",
    label: names ?? namePattern(spans[0]?.name ?? ""),
    count: members.length,
    failed: spans.filter(isFailed).length,
    sequence: null,
    service: same(spans.map(serviceOf)),
    instance: same(spans.map(instanceOf)),
    outcome: as === "similar" ? null : resultOf(spans.at(-1)),
    heldBy:
      spans.map(breakerOf).find((name) => name !== undefined) ??
      heldByOf(members.flatMap(({ children }) => children)),
    retried: spans.some((span) => timesTried(span) > 1),
    refused: false,
    error: spans.map(errorOf).findLast((error) => error !== null) ?? null,
    parentMissing: members.some(({ of }) => of.is === "span" && of.parentMissing),
    parentInCircle: members.some(({ of }) => of.is === "span" && of.parentInCircle),
  };
}

/** The delivery or attempt number that a span states, which counts even when the earlier ones were not received. */
const timesTried = ({ attributes }: Span): number =>
  Math.max(
    numberOf(attributes, attribute.deliveryAttempt) ?? 1,
    numberOf(attributes, attribute.callAttempt) ?? 1,
    (numberOf(attributes, "http.request.resend_count") ?? 0) + 1,
  );

/** How a span ended, other than by failing. */
function resultOf(span: Span | undefined): string | null {
  if (!span) return null;
  if (span.endNs === 0n) return "never ended";
  if (span.endNs < span.startNs) return "ends before it begins";
  if (span.attributes[attribute.duplicate] === true) return "stored already";
  const status = numberOf(span.attributes, "http.response.status_code");
  return status === undefined ? null : String(status);
}
