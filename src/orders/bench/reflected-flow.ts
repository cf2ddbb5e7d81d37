import { fileURLToPath } from "node:url";
import { type CompiledFlow, compileDefinedFlow } from "../../flow/define/compile-flow.ts";
import { type DefinedFlow, defineFlow } from "../../flow/define/define-flow.ts";
import { partners } from "../services/handlers.ts";

type Orders = {
  key: "orderId";
  events: {
    reservations: {
      orderId: string;
      status: "RESERVATION_STATUS_RESERVED" | "RESERVATION_STATUS_OUT_OF_STOCK";
    };
    shipments: { orderId: string; carrier: string; trackingId: string };
    notifications: { orderId: string; type: `NOTIFICATION_TYPE_${string}`; channel: string };
  };
};

/** Its stream is no other flow's. */
export const reflectedStream = "ORDERCTL_BENCH";

const events = "orderctl.orders.v1";
const { carrier, channel } = partners;

const defined = defineFlow<Orders>({
  name: "bench",
  stream: reflectedStream,
  key: "orderId",
  proto: fileURLToPath(new URL("../../../proto/orderctl/orders/v1/events.proto", import.meta.url)),
  events: {
    reservations: { type: `${events}.StockReserved`, status: "status" },
    shipments: `${events}.ShipmentBooked`,
    notifications: `${events}.CustomerNotified`,
  },
})
  .service("shipping", {
    on: "reservations",
    when: "RESERVATION_STATUS_RESERVED",
    emits: ["shipments"],
    handle: ({ key }, ctx) =>
      ctx.emit("shipments", { carrier, trackingId: `${carrier.toUpperCase()}-${key}` }),
  })
  .service("notification", {
    on: "shipments",
    emits: ["notifications"],
    handle: (_, ctx) => ctx.emit("notifications", { type: "NOTIFICATION_TYPE_SHIPPED", channel }),
  });

/**
 * Two stages of the orders, as a user would write them: the same messages and the same work, through `defineFlow` and
 * protobuf by reflection.
 */
export const compileReflectedFlow = (): Promise<CompiledFlow> =>
  compileDefinedFlow(defined as unknown as DefinedFlow);
