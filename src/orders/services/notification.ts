import { type Handler, nothing } from "../../flow/handler.ts";
import type { CustomerNotified, OrderEvent } from "../events.ts";

/**
 * Notifies the customer how the order ended: shipped, declined or refunded. The notification is the last event of an
 * order.
 */
export const notifyCustomer =
  (channel: string): Handler<OrderEvent> =>
  async (event) => {
    const type = endingOf(event);
    return type ? { kind: "notifications", orderId: event.orderId, type, channel } : nothing;
  };

function endingOf(event: OrderEvent): CustomerNotified["type"] | undefined {
  if (event.kind === "shipments") return "SHIPPED";
  if (event.kind === "refunds") return "REFUNDED";
  return event.kind === "payments" && event.status === "DECLINED" ? "DECLINED" : undefined;
}
