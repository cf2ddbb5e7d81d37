import { OrderctlError } from "../../core/errors.ts";
import { readOrder, takenBy } from "../../flow/order-log.ts";
import type { Origin } from "../../flow/process-event.ts";
import type { Connection } from "../../jetstream/client/connection.ts";
import type { Publisher } from "../../jetstream/publish/publisher.ts";
import { createOrderPublisher, readEarlier } from "../../publish/publish-created.ts";
import type { Telemetry } from "../../telemetry/telemetry.ts";
import { foldOrder } from "../order-state.ts";
import type { OrderDesk } from "./order-store.ts";

type Bench = {
  connection: Connection;
  publisher: Publisher;
  telemetry?: Pick<Telemetry, "tracing" | "metrics">;
};

/** The order API's desk on the order log. */
export function createOrderDesk(bench: Bench, origin: Origin): OrderDesk {
  const { connection, publisher } = bench;
  const publish = createOrderPublisher(bench, origin);
  return {
    isReady: () => !publisher.isHolding,
    async place(order, parent, giveUpMs) {
      // What is held through an outage is bounded.
      if (publisher.isHolding && publisher.isFull)
        throw new OrderctlError(
          "unavailable",
          "the order log is away, and as many orders wait for it as may",
        );
      const stored = await publish(order, { parent, giveUpMs });
      const { sequence, duplicate } = stored;
      return { sequence, duplicate, existing: readEarlier(order, stored) };
    },
    async read(orderId) {
      const { events, falseMessages } = await readOrder(connection, orderId);
      const [first] = falseMessages;
      if (events.length > 0) return foldOrder(events);
      if (first) throw takenBy(first, "bad_message");
      return undefined;
    },
  };
}
