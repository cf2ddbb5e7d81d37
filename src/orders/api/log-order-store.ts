import { OrderctlError } from "../../core/errors.ts";
import type { ArchivedKeys, ArchivedLog } from "../../flow/archived-log.ts";
import { readKey, takenBy } from "../../flow/key-log.ts";
import { foldKey } from "../../flow/key-state.ts";
import type { Origin } from "../../flow/process-event.ts";
import { createFirstPublisher, findArchived, readEarlier } from "../../flow/publish-event.ts";
import type { Connection } from "../../jetstream/client/connection.ts";
import type { Publisher } from "../../jetstream/publish/publisher.ts";
import type { Telemetry } from "../../telemetry/telemetry.ts";
import { orderFlow } from "../built-in-flow.ts";
import type { OrderEvent } from "../events.ts";
import type { OrderStore } from "./order-store.ts";

type Working = {
  connection: Connection;
  archive: ArchivedLog;
  archivedKeys?: ArchivedKeys | undefined;
  publisher: Publisher;
  telemetry?: Pick<Telemetry, "tracing" | "metrics"> | undefined;
};

/** The orders of the API, kept in the order log. */
export function createOrderStore(working: Working, origin: Origin): OrderStore {
  const { connection, archive, archivedKeys, publisher } = working;
  const publish = createFirstPublisher(orderFlow, working, origin);
  /** Orders that wait until it is known what is archived. */
  let waiting = 0;
  const isFull = () => publisher.isFull || waiting >= publisher.window;
  const findEarlier = async (orderId: string, giveUpMs: number | undefined) => {
    waiting += 1;
    try {
      return await findArchived(archivedKeys, orderId, { publisher, giveUpMs });
    } finally {
      waiting -= 1;
    }
  };
  return {
    isReady: () => !publisher.isHolding,
    async place(order, parent, giveUpMs) {
      // Bounds the number of orders that are held in memory during an outage.
      if (publisher.isHolding && isFull())
        throw new OrderctlError(
          "unavailable",
          "the order log is away, and as many orders wait for it as may",
        );
      const archived = await findEarlier(order.orderId, giveUpMs);
      const stored = archived ?? (await publish(order, { parent, giveUpMs }));
      const { sequence, duplicate } = stored;
      const earlier = readEarlier<OrderEvent>(orderFlow, order, stored);
      return { sequence, duplicate, existing: earlier?.kind === "created" ? earlier : undefined };
    },
    async read(orderId) {
      const { events, falseMessages } = await readKey({ connection, archive, flow: orderFlow }, orderId);
      const [first] = falseMessages;
      if (events.length > 0) return foldKey(orderFlow, events);
      if (first) throw takenBy(first, "bad_message");
      return undefined;
    },
  };
}
