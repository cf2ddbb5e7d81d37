import { OrderctlError } from "../errors.ts";
import type { Connection } from "../jetstream/connection.ts";
import type { Publisher } from "../jetstream/publisher.ts";
import { decodeEvent } from "../orders/codec.ts";
import type { OrderCreated } from "../orders/events.ts";
import { foldOrder } from "../orders/order-state.ts";
import { subjectOf } from "../orders/subjects.ts";
import type { OrderDesk } from "../services/order/order-desk.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import { readOrder } from "./order-log.ts";
import type { Origin } from "./process-event.ts";
import { createOrderPublisher } from "./publish-created.ts";

type Bench = {
  connection: Connection;
  publisher: Publisher;
  telemetry?: Pick<Telemetry, "tracing" | "metrics">;
};

/** The order API's desk on the order log. */
export function createOrderDesk(bench: Bench, origin: Origin): OrderDesk {
  const { connection } = bench;
  const publish = createOrderPublisher(bench, origin);
  return {
    isReady: () => connection.isConnected(),
    async place(order, parent) {
      const { sequence, duplicate, existing } = await publish(order, parent);
      const subject = subjectOf("created", order.orderId);
      return { sequence, duplicate, existing: existing && orderIn(subject, existing) };
    },
    async read(orderId) {
      const events = await readOrder(connection, orderId);
      return events.length === 0 ? undefined : foldOrder(events);
    },
  };
}

/** Undefined for an event that cannot be read: whatever it is, it is not the order at hand. */
function orderIn(subject: string, payload: Uint8Array): OrderCreated | undefined {
  try {
    const event = decodeEvent(subject, payload);
    return event.kind === "created" ? event : undefined;
  } catch (thrown) {
    if (thrown instanceof OrderctlError && thrown.code === "bad_message") return undefined;
    throw thrown;
  }
}
