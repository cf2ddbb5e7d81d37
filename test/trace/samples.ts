import type { LoggedEvent } from "../../src/flow/key-log.ts";
import type { Span } from "../../src/telemetry/tracing/span.ts";
import { event, ways } from "../orders/order-log.ts";
import { sinceStart } from "../support/logged-order.ts";
import { type Hopped, span, tracedOrder } from "./traced-order.ts";

export type Sample = { logged: LoggedEvent[]; spans: Span[] };

const id = "0197f3c2-8a41-7c3e-9d55-0242ac120002";
const request = { from: -900, to: 250 };

const hops: Hopped[] = [
  { received: -300, finished: -300, stored: 0 },
  { received: 1200, finished: 6800, stored: 7400, calls: [{ from: 1250, to: 6700 }] },
  { received: 7900, finished: 9100, stored: 9500 },
  { received: 10_100, finished: 10_250, stored: 10_700 },
  { received: 11_300, finished: 11_600, stored: 12_300 },
];

/** The same, everything from an event on so much later. */
const later = (from: number, us: number): Hopped[] =>
  hops.map((hop, index) =>
    index < from
      ? hop
      : { ...hop, received: hop.received + us, finished: hop.finished + us, stored: hop.stored + us },
  );

export const shipped: Sample = tracedOrder(ways.SHIPPED(id), hops, { request });

const timeout = "timeout: the gateway did not answer within 2 s";

export const declined: Sample = tracedOrder(
  ways.DECLINED(id).with(1, event("payments", id, { status: "DECLINED", reason: "insufficient_funds" })),
  later(1, 0),
  { request },
);

export const refunded: Sample = tracedOrder(
  ways.REFUNDED(id).with(2, event("reservations", id, { status: "OUT_OF_STOCK", missingSkus: ["SKU-0007"] })),
  hops.with(3, { received: 10_100, finished: 10_550, stored: 10_700, calls: [{ from: 10_150, to: 10_500 }] }),
  { request },
);

/** The third call of the gateway went well. */
export const retried: Sample = tracedOrder(
  ways.SHIPPED(id),
  later(1, 4_300_000).with(1, {
    ...{ received: 1200, finished: 4_306_800, stored: 4_307_400 },
    calls: [
      { from: 1250, to: 2_001_250, error: timeout },
      { from: 2_101_250, to: 4_101_250, error: timeout },
      { from: 4_301_250, to: 4_306_700 },
    ],
  }),
  { request },
);

/** The third delivery went well. */
export const redelivered: Sample = tracedOrder(
  ways.SHIPPED(id),
  later(1, 80_000).with(1, {
    ...{
      received: 81_200,
      finished: 86_800,
      stored: 87_400,
      attempt: 3,
      calls: [{ from: 81_300, to: 86_700 }],
    },
    failed: [
      { from: 1200, to: 21_200, error: "unavailable: the gateway answered 503" },
      { from: 41_000, to: 61_000, error: "unavailable: the gateway answered 503" },
    ],
  }),
  { request },
);

/** The call failed, which opened the breaker for 15 s; then it went well. */
export const held: Sample = tracedOrder(
  ways.SHIPPED(id),
  later(1, 15_000_000).with(1, {
    ...{ received: 1200, finished: 15_006_800, stored: 15_007_400 },
    holds: [{ breaker: "PaymentService", fromUs: sinceStart(2000), toUs: sinceStart(15_002_000) }],
    calls: [
      { from: 1250, to: 1900, error: "unavailable: the gateway answered 503" },
      { from: 15_002_100, to: 15_006_700 },
    ],
  }),
  { request },
);

/** Two calls have failed, the third is under way: neither it nor the delivery has told of itself. */
export const underWay: Sample = (() => {
  const { logged, spans } = retried;
  const calls = spans.filter(({ name }) => name === "gateway charge").slice(0, 2);
  const early = spans.filter(
    ({ name }) => name.startsWith("POST") || name.startsWith("publish ORDERS.created"),
  );
  return { logged: logged.slice(0, 1), spans: [...early, ...calls] };
})();

/** Shipping's clock is 40 ms ahead, inventory's 25 ms behind. */
export const skewed: Sample = tracedOrder(
  ways.SHIPPED(id),
  hops.map((hop, index) => ({
    ...hop,
    instance: ["till-9", "pay-1", "stock-2", "ship-3", "mail-4"][index] ?? "",
  })),
  { request, ahead: { "stock-2": -25_000, "ship-3": 40_000 } },
);

const shop = (service: string) => ({ "service.name": service, "service.instance.id": `${service}-1` });
const hex = (n: number): string => n.toString(16).padStart(16, "0");

/**
 * A checkout of another shop's: 2,000 spans of five services, a queue between two of them, hundreds of queries that are
 * alike, one call that was tried again, three errors among the queries, one span whose parent is missing.
 */
export function checkoutOfManySpans(count = 2000): Span[] {
  const spans: Span[] = [];
  const add = (fields: Parameters<typeof span>[0]): string => {
    const spanId = hex(spans.length + 1);
    spans.push(span({ ...fields, spanId }));
    return spanId;
  };
  const root = add({
    name: "POST /checkout",
    kind: "SERVER",
    from: 0,
    to: 412_000,
    resource: shop("frontend"),
  });
  const cart = add({
    name: "load cart",
    parentSpanId: root,
    from: 2000,
    to: 380_000,
    resource: shop("cart"),
  });
  for (let n = 1; n <= 3; n++) {
    const from = 382_000 + n * 4000;
    const error = n < 3 ? { error: "503: Service Unavailable" } : {};
    const call = { kind: "CLIENT" as const, from, to: from + 3000, resource: shop("frontend"), ...error };
    add({ name: "GET /rates", parentSpanId: root, ...call });
  }
  const send = { kind: "PRODUCER" as const, from: 400_000, to: 401_000, resource: shop("frontend") };
  const sent = add({ name: "send checkout.done", parentSpanId: root, ...send });
  const mail = { kind: "CONSUMER" as const, from: 455_000, to: 470_000, resource: shop("mailer") };
  add({ name: "process checkout.done", parentSpanId: sent, ...mail });
  add({
    name: "render receipt",
    parentSpanId: "00000000deadbeef",
    from: 456_000,
    to: 458_000,
    resource: shop("mailer"),
  });
  for (let n = 0; spans.length < count; n++) {
    const from = 2500 + n * 180;
    const failed = n === 100 || n === 700 || n === 1500;
    add({
      ...{ name: n % 2 === 0 ? `SELECT price WHERE sku = ${n}` : `GET /items/${n}`, kind: "CLIENT" },
      ...{ parentSpanId: cart, from, to: from + 120 + (n % 7) * 10, resource: shop("cart") },
      ...(failed ? { error: `deadlock: row ${n} is locked` } : {}),
    });
  }
  return spans;
}
