import { type Handler, nothing } from "../../flow/handler.ts";
import type { OrderEvent } from "../events.ts";

/** Books a parcel for an order whose stock is reserved. The tracking id derives from the order id. */
export const bookShipment =
  (carrier: string): Handler<OrderEvent> =>
  async (reservation) => {
    if (reservation.kind !== "reservations" || reservation.status !== "RESERVED") return nothing;
    const { orderId } = reservation;
    return { kind: "shipments", orderId, carrier, trackingId: `${carrier.toUpperCase()}-${orderId}` };
  };
