import { asHandlers, type Handler } from "../../flow/handler.ts";
import type { OrderEvent } from "../events.ts";
import type { ConsumerName } from "../flow.ts";
import type { PaymentGateway } from "../gateway/gateway.ts";
import type { StockShelf } from "../stock/stock-shelf.ts";
import { reserveStock } from "./inventory.ts";
import { notifyCustomer, type Tell } from "./notification.ts";
import { processPayment, type ReadPayment, refundPayment } from "./payment.ts";
import { bookShipment } from "./shipping.ts";

/** What the handlers depend on. */
export type Parts = {
  gateway: PaymentGateway;
  shelf: Pick<StockShelf, "take" | "settle">;
  carrier: string;
  channel: string;
  /** Tells customers before the log says that they are told; by default nothing does. */
  tell?: Tell | undefined;
  readPayment: ReadPayment;
};

/** The only carrier and notification channel so far. */
export const partners = { carrier: "parcel", channel: "email" } as const;

/** The handler of every consumer that the flow's table names. */
export function createHandlers({ gateway, shelf, carrier, channel, tell, readPayment }: Parts) {
  const notify = notifyCustomer(channel, tell);
  const handlers: Record<ConsumerName, Handler<OrderEvent>> = {
    "payment-processor": processPayment(gateway),
    "payment-refunder": refundPayment(gateway, readPayment),
    "inventory-reserver": reserveStock(shelf),
    "shipping-booker": bookShipment(carrier),
    "notification-declined": notify,
    "notification-shipped": notify,
    "notification-refunded": notify,
  };
  return asHandlers(handlers);
}
