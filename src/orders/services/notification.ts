import { type Handler, type HandlerContext, nothing } from "../../flow/handler.ts";
import type { CustomerNotified, OrderEvent } from "../events.ts";

/** Tells the customer; to reject means *again later*. */
export type Tell = (event: OrderEvent, context: HandlerContext<OrderEvent>) => Promise<void>;

/**
 * Notifies the customer how the order ended: shipped, declined or refunded. The notification is the last event of an
 * order; it is stored after `tell`, where that is given.
 */
export const notifyCustomer =
  (channel: string, tell?: Tell): Handler<OrderEvent> =>
  async (event, context) => {
    const type = endingOf(event);
    if (!type) return nothing;
    if (tell) await tell(event, context);
    return { kind: "notifications", orderId: event.orderId, type, channel };
  };

function endingOf(event: OrderEvent): CustomerNotified["type"] | undefined {
  if (event.kind === "shipments") return "SHIPPED";
  if (event.kind === "refunds") return "REFUNDED";
  return event.kind === "payments" && event.status === "DECLINED" ? "DECLINED" : undefined;
}
