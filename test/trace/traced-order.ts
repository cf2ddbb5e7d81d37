import type { LoggedEvent } from "../../src/flow/key-log.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import { subjectOf } from "../../src/orders/subjects.ts";
import type { Span } from "../../src/telemetry/tracing/span.ts";
import { attribute } from "../../src/telemetry/tracing/span-names.ts";
import { loggedOrder, sinceStart } from "../support/logged-order.ts";

/** Of a delivery or call, µs from the start of the order, by a clock that is right. */
export type Times = { from: number; to: number; error?: string };

export type Hopped = Parameters<typeof loggedOrder>[1][number] & {
  /** Earlier deliveries that failed. */
  failed?: Times[];
  /** Calls of the gateway by the delivery that led to the event. */
  calls?: Times[];
};

export const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";

const hex = (n: number): string => n.toString(16).padStart(16, "0");

/** A span with what a test does not care about filled in. Times in µs from the order's start. */
export function span(
  fields: Partial<Span> & { name: string; from: number; to: number; error?: string },
): Span {
  const { from, to, error, ...given } = fields;
  const at = (us: number) =>
    BigInt(sinceStart(0) + Math.floor(us)) * 1000n + BigInt(Math.round((us % 1) * 1000));
  const [type = "", ...message] = (error ?? "").split(": ");
  return {
    ...{ traceId, spanId: "00000000000000ff", parentSpanId: null, kind: "INTERNAL" },
    ...{ startNs: at(from), endNs: at(to), resource: {}, events: [], links: [] },
    status:
      error === undefined ? { code: "UNSET", message: "" } : { code: "ERROR", message: message.join(": ") },
    ...given,
    attributes: { ...(error === undefined ? {} : { [attribute.errorType]: type }), ...given.attributes },
  };
}

const resourceOf = (instance: string) => ({
  "service.name": "orderctl",
  "service.namespace": "orderctl",
  "service.instance.id": instance,
});

export type TraceMaking = {
  /** The request that made the order, by the order API. */
  request?: Times;
  /** µs by which an instance's clock is ahead. */
  ahead?: Record<string, number>;
};

/**
 * An order as the log holds it and the spans that our services write of it, each event caused by the one before. Hop
 * headers and spans are by the clocks of their processes.
 */
export function tracedOrder(
  events: readonly OrderEvent[],
  hops: readonly Hopped[],
  { request, ahead = {} }: TraceMaking = {},
): { logged: LoggedEvent<OrderEvent>[]; spans: Span[] } {
  const plain = loggedOrder(events, hops);
  const ids = new Ids();
  const spans: Span[] = [];
  let above: string | null = null;
  const [first] = plain;
  if (request && first) {
    above = ids.next();
    spans.push(requestSpan(request, first, above));
  }
  const logged = plain.map((one, index) => {
    const made = spansOfHop({ one, cause: plain[index - 1], times: hops[index], above }, ids);
    spans.push(...made);
    above = made.find(({ kind }) => kind === "PRODUCER")?.spanId ?? null;
    const trace = { traceId, spanId: above ?? "", sampled: true };
    return { ...one, hop: one.hop && delay(one.hop, ahead[one.hop.instance] ?? 0), trace };
  });
  const late = (each: Span) => BigInt(ahead[String(each.resource["service.instance.id"])] ?? 0) * 1000n;
  return {
    logged,
    spans: spans.map((each) => ({
      ...each,
      startNs: each.startNs + late(each),
      endNs: each.endNs + late(each),
    })),
  };
}

class Ids {
  #last = 0;
  next(): string {
    this.#last += 1;
    return hex(this.#last);
  }
}

const delay = (hop: NonNullable<LoggedEvent["hop"]>, us: number) => ({
  ...hop,
  receivedAtUs: hop.receivedAtUs + us,
  ...(hop.holds && {
    holds: hop.holds.map((hold) => ({ ...hold, fromUs: hold.fromUs + us, toUs: hold.toUs + us })),
  }),
  startedAtUs: hop.startedAtUs + us,
  finishedAtUs: hop.finishedAtUs + us,
});

const requestSpan = (times: Times, { event, hop }: LoggedEvent<OrderEvent>, spanId: string): Span =>
  span({
    ...times,
    name: "POST /orders",
    kind: "SERVER",
    spanId,
    resource: resourceOf(hop?.instance ?? ""),
    attributes: {
      "http.request.method": "POST",
      "http.route": "/orders",
      "http.response.status_code": 201,
      [attribute.orderId]: event.orderId,
      [attribute.service]: "order",
    },
  });

type Made = {
  one: LoggedEvent<OrderEvent>;
  cause: LoggedEvent<OrderEvent> | undefined;
  times: Hopped | undefined;
  above: string | null;
};

function spansOfHop({ one, cause, times, above }: Made, ids: Ids): Span[] {
  const { received = 0, finished = 0, stored = 0, failed = [], calls = [] } = times ?? {};
  const service = one.hop?.service ?? "";
  const resource = resourceOf(one.hop?.instance ?? "");
  const common = (event: OrderEvent, operation: string, type: string) => ({
    [attribute.system]: "nats",
    [attribute.operationName]: operation,
    [attribute.operationType]: type,
    [attribute.destination]: subjectOf(event.kind, event.orderId),
    [attribute.template]: subjectOf(event.kind, "{order_id}"),
    [attribute.orderId]: event.orderId,
    [attribute.service]: service,
  });
  const publish = (parentSpanId: string | null): Span =>
    span({
      ...{ name: `publish ${subjectOf(one.event.kind, "{order_id}")}`, kind: "PRODUCER", spanId: ids.next() },
      ...{ parentSpanId, resource, from: finished, to: stored + 40 },
      attributes: { ...common(one.event, "publish", "send"), [attribute.sequence]: one.sequence },
    });
  if (!cause) return [publish(above)];
  const process = (at: Times, attempt: number): Span =>
    span({
      ...{
        name: `process ${subjectOf(cause.event.kind, "{order_id}")}`,
        kind: "CONSUMER",
        spanId: ids.next(),
      },
      ...{ parentSpanId: above, resource, ...at },
      links: [{ traceId, spanId: above ?? "", attributes: {} }],
      attributes: {
        ...common(cause.event, "process", "process"),
        [attribute.sequence]: cause.sequence,
        [attribute.deliveryAttempt]: attempt,
        ...(at.error === undefined ? {} : { [attribute.errorType]: at.error.split(": ")[0] ?? "" }),
      },
    });
  const tries = failed.map((at, index) => process(at, index + 1));
  const done = process({ from: received, to: stored + 60 }, failed.length + 1);
  const gateway = calls.map((at, index) =>
    span({
      ...{
        name: one.event.kind === "refunds" ? "gateway refund" : "gateway charge",
        kind: "CLIENT",
        spanId: ids.next(),
        parentSpanId: done.spanId,
        resource,
        ...at,
      },
      attributes: {
        [attribute.orderId]: one.event.orderId,
        [attribute.service]: service,
        [attribute.callAttempt]: index + 1,
        ...(at.error === undefined ? {} : { [attribute.errorType]: at.error.split(": ")[0] ?? "" }),
      },
    }),
  );
  const settle = [...tries, done].map((delivery, index) =>
    span({
      ...{ name: `${index < tries.length ? "nak" : "ack"} ${subjectOf(cause.event.kind, "{order_id}")}` },
      ...{ kind: "CLIENT", spanId: ids.next(), parentSpanId: delivery.spanId, resource },
      from: (failed[index]?.to ?? stored + 60) - 5,
      to: failed[index]?.to ?? stored + 60,
      attributes: common(cause.event, index < tries.length ? "nak" : "ack", "settle"),
    }),
  );
  const holds = (one.hop?.holds ?? []).map(({ breaker, fromUs, toUs }) =>
    span({
      ...{ name: `wait for ${breaker}`, spanId: ids.next(), parentSpanId: done.spanId, resource },
      ...{ from: fromUs - sinceStart(0), to: toUs - sinceStart(0) },
      attributes: { [attribute.service]: service, [attribute.breaker]: breaker },
    }),
  );
  return [...tries, done, ...gateway, ...holds, publish(done.spanId), ...settle];
}
