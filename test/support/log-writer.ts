import { flowTopology } from "../../src/flow/flow-topology.ts";
import type { Connection } from "../../src/jetstream/client/connection.ts";
import { Publisher } from "../../src/jetstream/publish/publisher.ts";
import { applyTopology } from "../../src/jetstream/streams/apply-topology.ts";
import { readLast } from "../../src/jetstream/streams/read-message.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import { orderShape } from "../../src/orders/flow.ts";
import { ordersStream, subjectOf } from "../../src/orders/subjects.ts";
import { encodeEvent } from "../../src/orders/wire/codec.ts";
import { until } from "./until.ts";

/** Writes into the log by hand, as a program that is not ours would. */
export type LogWriter = {
  store(...events: OrderEvent[]): Promise<void>;
  storeBytes(subject: string, payload: string): Promise<void>;
  ended(orderId: string): Promise<void>;
  close(): void;
};

/** Also creates what is missing of the streams. */
export async function openLogWriter(connection: Connection): Promise<LogWriter> {
  await applyTopology(connection, flowTopology(orderShape));
  const publisher = new Publisher(connection);
  return {
    async store(...events) {
      for (const event of events) {
        const subject = subjectOf(event.kind, event.orderId);
        await publisher.publish({ subject, payload: encodeEvent(event) });
      }
    },
    async storeBytes(subject, payload) {
      await publisher.publish({ subject, payload: Buffer.from(payload) });
    },
    ended: (orderId) =>
      until(
        async () =>
          (await readLast(connection, ordersStream, subjectOf("notifications", orderId))) !== undefined,
      ),
    close: () => publisher.close(),
  };
}
