import { describe, expect, it } from "vitest";
import type { OrderEvent } from "../../../src/orders/events.ts";
import { orderShape } from "../../../src/orders/flow.ts";
import { notifyCustomer } from "../../../src/orders/services/notification.ts";
import { bookShipment } from "../../../src/orders/services/shipping.ts";
import {
  approved,
  contextOf,
  created,
  declined,
  outOfStock,
  reserved,
} from "../../support/handler-context.ts";

const shipment: OrderEvent = {
  kind: "shipments",
  orderId: "o-1",
  carrier: "parcel",
  trackingId: "PARCEL-o-1",
};
const refund: OrderEvent = {
  kind: "refunds",
  orderId: "o-1",
  chargeId: "ch_1",
  refundId: "re_1",
  total: created.total,
  reason: "out_of_stock",
};

describe("bookShipment", () => {
  it("books a parcel for reserved stock, the same one each time", async () => {
    const book = bookShipment("parcel");
    expect(await book(reserved, contextOf())).toEqual(shipment);
    expect(await book(reserved, contextOf())).toEqual(shipment);
  });

  it("books none where stock was short", async () => {
    expect(await bookShipment("parcel")(outOfStock, contextOf())).toBeUndefined();
  });
});

describe("notifyCustomer", () => {
  it.each<[string, OrderEvent, string | undefined]>([
    ["a shipment", shipment, "SHIPPED"],
    ["a refund", refund, "REFUNDED"],
    ["a declined payment", declined, "DECLINED"],
    ["an approved payment", approved, undefined],
    ["a reservation", reserved, undefined],
  ])("tells of %s what it means: %s", async (_, event, type) => {
    const told = await notifyCustomer("email")(event, contextOf());
    const notification = { kind: "notifications", orderId: "o-1", type, channel: "email" };
    expect(told).toEqual(type && notification);
  });
});

describe("the flow", () => {
  it("gives every consumer a name of its own that begins with its service", () => {
    const names = orderShape.subscriptions.map(({ consumer }) => consumer);
    expect(new Set(names).size).toBe(names.length);
    for (const service of orderShape.services) {
      for (const { consumer } of orderShape.subscriptionsOf(service))
        expect(consumer.startsWith(`${service}-`)).toBe(true);
    }
  });

  it("has somebody for every kind of event but the last", () => {
    const consumed = new Set(orderShape.subscriptions.map(({ on }) => on));
    expect([...consumed].sort()).toEqual(["created", "payments", "refunds", "reservations", "shipments"]);
    expect(orderShape.services).toEqual(["payment", "inventory", "shipping", "notification"]);
  });
});
