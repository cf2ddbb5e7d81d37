import type { FlowShape } from "../flow/flow.ts";
import type { LoggedEvent } from "../flow/key-log.ts";
import type { Span } from "../telemetry/tracing/span.ts";
import { isFailed, isSettling, numberOf, serviceOf, textOf } from "../telemetry/tracing/span-facts.ts";
import { attribute } from "../telemetry/tracing/span-names.ts";
import type { SpanNode } from "../telemetry/tracing/span-tree.ts";

/** The spans of one event: the one that published it, and the deliveries of its cause that led to it. */
export type HopSpans = {
  publish: SpanNode | undefined;
  process: SpanNode | undefined;
  /** Failed earlier deliveries, in order. */
  failed: SpanNode[];
};

/** An event and its cause, which the timeline may know even without a hop header. */
export type CausedEvent = { logged: LoggedEvent; cause: LoggedEvent | undefined };

const subjectOfEvent = (flow: FlowShape, { kind, key }: LoggedEvent): string => flow.subjectOf(kind, key);

/**
 * Finds an event's publish span by the id in the event's `traceparent`, else by its sequence, else by its subject; then
 * the deliveries of its cause.
 */
export function findHopSpans(
  flow: FlowShape,
  { logged, cause }: CausedEvent,
  nodes: readonly SpanNode[],
): HopSpans {
  const publish = findPublish(flow, logged, nodes);
  const deliveries = cause ? deliveriesOf(flow, cause, nodes) : [];
  const parent = publish?.parent;
  const process =
    parent?.span.kind === "CONSUMER" ? parent : deliveries.find((one) => isDoneBy(one, logged.hop));
  const service = (process && serviceOf(process.span)) ?? logged.hop?.service;
  const failed = deliveries.filter(
    (one) => one !== process && isFailed(one.span) && serviceOf(one.span) === service,
  );
  return { publish, process, failed };
}

function findPublish(flow: FlowShape, logged: LoggedEvent, nodes: readonly SpanNode[]): SpanNode | undefined {
  const subject = subjectOfEvent(flow, logged);
  const stored = nodes.filter(({ span }) => isPublishOf(span, subject));
  const told = (span: Span) => numberOf(span.attributes, attribute.sequence);
  return (
    stored.find(({ span }) => span.spanId === logged.trace?.spanId) ??
    stored.find(({ span }) => told(span) === logged.sequence) ??
    stored.find(({ span }) => told(span) === undefined)
  );
}

/** A publish that was refused as a duplicate did not store the event. */
const isPublishOf = (span: Span, subject: string): boolean =>
  span.kind === "PRODUCER" &&
  textOf(span.attributes, attribute.destination) === subject &&
  span.attributes[attribute.duplicate] !== true &&
  !isFailed(span);

/** All deliveries of an event, to any consumer, sorted by start. */
export function deliveriesOf(flow: FlowShape, cause: LoggedEvent, nodes: readonly SpanNode[]): SpanNode[] {
  const subject = subjectOfEvent(flow, cause);
  return nodes
    .filter(({ span: { kind, attributes } }) => {
      const sequence = numberOf(attributes, attribute.sequence);
      const isOfCause = sequence === undefined || sequence === cause.sequence;
      return kind === "CONSUMER" && isOfCause && textOf(attributes, attribute.destination) === subject;
    })
    .sort((a, b) => Number(a.span.startNs - b.span.startNs));
}

const isDoneBy = ({ span }: SpanNode, hop: LoggedEvent["hop"]): boolean =>
  !isFailed(span) &&
  serviceOf(span) === hop?.service &&
  (numberOf(span.attributes, attribute.deliveryAttempt) ?? hop?.attempt) === hop?.attempt;

/** The acknowledgement spans of a delivery; they get no row of their own. */
export const settlingOf = ({ children }: SpanNode): SpanNode[] =>
  children.filter(({ span }) => isSettling(span));

/** A delivery that was acknowledged without further work. */
export const isIdle = ({ span, children }: SpanNode): boolean =>
  span.kind === "CONSUMER" &&
  textOf(span.attributes, attribute.service) !== undefined &&
  !isFailed(span) &&
  children.every((child) => isSettling(child.span) && !isFailed(child.span));
