import { Readable } from "node:stream";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { StreamMessage } from "../../src/jetstream/streams/stream-message.ts";
import { orderFlow } from "../../src/orders/built-in-flow.ts";
import { readJsonOrders } from "../../src/orders/sources/json-orders.ts";
import { subjectOf } from "../../src/orders/subjects.ts";
import { encodeEvent } from "../../src/orders/wire/codec.ts";
import { replayDocument } from "../../src/replay/file.ts";
import { anyEvent } from "../orders/arbitrary-events.ts";
import { event } from "../orders/order-log.ts";

const message = (subject: string, payload: Uint8Array): StreamMessage => ({
  subject,
  payload,
  sequence: 7,
  storedAtUs: 1_700_000_000_123_456,
  header: () => undefined,
  headers: () => ({}),
});

it("writes created orders so that `publish order --file` reads the same orders", async () => {
  const created = anyEvent.filter(({ kind }) => kind === "created");
  await fc.assert(
    fc.asyncProperty(fc.array(created, { maxLength: 5 }), async (events) => {
      const lines = events.map((each) => {
        const { document } = replayDocument(
          orderFlow,
          message(subjectOf("created", each.orderId), encodeEvent(each)),
        );
        return `${JSON.stringify(document)}\n`;
      });
      const read = [];
      for await (const item of readJsonOrders(Readable.from(lines), { fileName: "replayed" }))
        read.push(item);
      expect(read.map((item) => ("order" in item ? item.order : item.reject))).toEqual(events);
    }),
  );
});

it("says of other events what and where they are", () => {
  const { document } = replayDocument(
    orderFlow,
    message("ORDERS.payments.o-1", encodeEvent(event("payments", "o-1"))),
  );
  expect(document).toEqual({
    subject: "ORDERS.payments.o-1",
    sequence: 7,
    stored_at: "2023-11-14T22:13:20.123456Z",
    kind: "payments",
    order_id: "o-1",
    status: "APPROVED",
    reason: "",
    charge_id: "ch-1",
    total_minor: 840,
    currency: "USD",
    lines: [{ sku: "MUG-3", quantity: 2, unit_price_minor: 420 }],
  });
});

it("decodes every kind of event, of the log and of its copies, and loses nothing", () => {
  fc.assert(
    fc.property(anyEvent, fc.constantFrom("ORDERS", "REPLAY", "test.copy"), (each, prefix) => {
      const subject = `${prefix}.${each.kind}.${each.orderId}`;
      const { document, isEvent } = replayDocument(orderFlow, message(subject, encodeEvent(each)));
      expect(isEvent).toBe(true);
      const text = JSON.stringify(document);
      for (const value of Object.values(each))
        if (typeof value === "string" && value !== each.kind) expect(text).toContain(JSON.stringify(value));
    }),
  );
});

it("gives what is no event as its bytes, with the reason", () => {
  const { document, isEvent } = replayDocument(
    orderFlow,
    message("ORDERS.created.o-1", Buffer.from([255, 1])),
  );
  expect(isEvent).toBe(false);
  expect(document).toMatchObject({ subject: "ORDERS.created.o-1", kind: null, payload_base64: "/wE=" });
  expect(document.reason).toContain("not readable as an event");
});
