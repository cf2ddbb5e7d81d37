import { describe, expect, it } from "vitest";
import type { Handler, HandlerContext } from "../../src/flow/handler.ts";
import { processWith } from "../../src/flow/process-event.ts";
import type { Delivery } from "../../src/jetstream/consume/delivery.ts";
import type { Publication } from "../../src/jetstream/publish/publication.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import { subjectOf } from "../../src/orders/subjects.ts";
import { decodeEvent, encodeEvent } from "../../src/orders/wire/codec.ts";
import { nowUs } from "../../src/telemetry/clock.ts";
import { decodeHop } from "../../src/telemetry/hop.ts";
import { approved, created, outOfStock, reserved } from "../support/handler-context.ts";

const origin = { service: "payment", instance: "box-1" };

const deliveryOf = (event: OrderEvent, headers: Record<string, string> = {}): Delivery => ({
  watch: undefined,
  subject: subjectOf(event.kind, event.orderId),
  payload: encodeEvent(event),
  sequence: 17,
  attempt: 3,
  storedAtUs: 1,
  header: (name: string) => headers[name],
});

const { signal } = new AbortController();

async function storedBy(
  handler: Handler<OrderEvent>,
  headers?: Record<string, string>,
): Promise<Publication> {
  const outcome = await processWith(
    orderFlow,
    handler as unknown as Handler,
    origin,
  )(deliveryOf(created, headers), signal);
  if (!outcome) throw new Error("nothing to store");
  return outcome;
}

describe("processWith", () => {
  it("hands the event and its delivery to the handler", async () => {
    const seen: [OrderEvent, HandlerContext<OrderEvent>][] = [];
    const handler: Handler<OrderEvent> = async (...given) => void seen.push(given);
    expect(
      await processWith(orderFlow, handler as unknown as Handler, origin)(deliveryOf(created), signal),
    ).toBeUndefined();
    const [event, context] = seen[0] ?? [];
    expect(event).toEqual(created);
    expect(context?.sequence).toBe(17);
    expect(context?.attempt).toBe(3);
    expect(context?.signal).toBe(signal);
  });

  it("stores the outcome under its own subject, and says who did what when and why", async () => {
    const before = nowUs();
    const { subject, payload, headers } = await storedBy(async () => approved);
    expect(decodeEvent(subject, payload)).toEqual(approved);
    const hop = decodeHop(headers?.["Orderctl-Hop"]);
    expect(hop).toMatchObject({ causeSequence: 17, service: "payment", instance: "box-1", attempt: 3 });
    const times = [before, hop?.receivedAtUs, hop?.startedAtUs, hop?.finishedAtUs, nowUs()];
    expect(times).toEqual(times.toSorted((a, b) => Number(a) - Number(b)));
  });

  it("hands the trace context on, and makes none up", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const handler: Handler<OrderEvent> = async () => approved;
    expect((await storedBy(handler, { traceparent, tracestate: "a=1" })).headers).toMatchObject({
      traceparent,
      tracestate: "a=1",
    });
    expect(Object.keys((await storedBy(handler, { traceparent })).headers ?? {}).sort()).toEqual([
      "Orderctl-Hop",
      "traceparent",
    ]);
    expect(Object.keys((await storedBy(handler)).headers ?? {})).toEqual(["Orderctl-Hop"]);
  });

  it("tells the handler what the log holds in the end: its own outcome, or the one that was there", async () => {
    const told: OrderEvent[] = [];
    const handler: Handler<OrderEvent> = async (_, context) => {
      context.onStored((stored) => told.push(stored));
      return reserved;
    };
    const delivery = deliveryOf(approved);
    await processWith(orderFlow, handler as unknown as Handler, origin)(delivery, signal);
    delivery.watch?.stored({ sequence: 18, duplicate: false });
    delivery.watch?.stored({ sequence: 18, duplicate: true, existing: encodeEvent(outOfStock) });
    expect(told).toEqual([reserved, outOfStock]);
  });

  it("throws on a message that is no event, and on an outcome that could not be read again", async () => {
    const nothing = processWith(orderFlow, async () => undefined, origin);
    const broken = { ...deliveryOf(created), payload: Buffer.from("{}") };
    await expect(nothing(broken, signal)).rejects.toMatchObject({ code: "bad_message" });
    const invalid = { ...approved, total: { amountMinor: 0.5, currency: "GBP" } };
    await expect(storedBy(async () => invalid)).rejects.toMatchObject({ code: "bad_message" });
  });
});
