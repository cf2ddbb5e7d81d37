import type { Connection } from "../../src/jetstream/connection.ts";
import { Publisher } from "../../src/jetstream/publisher.ts";
import { readLast } from "../../src/jetstream/read-message.ts";
import { applyTopology } from "../../src/jetstream/topology.ts";
import { encodeEvent } from "../../src/orders/codec.ts";
import type { OrderEvent } from "../../src/orders/events.ts";
import { ordersStream, subjectOf } from "../../src/orders/subjects.ts";
import { orderTopology } from "../../src/pipeline/topology.ts";
import { until } from "../until.ts";

/** Writes into the log by hand, as a program that is not ours would. */
export type LogWriter = {
  store(...events: OrderEvent[]): Promise<void>;
  storeBytes(subject: string, payload: string): Promise<void>;
  ended(orderId: string): Promise<void>;
  close(): void;
};

/** Also creates what is missing of the streams. */
export async function openLogWriter(connection: Connection): Promise<LogWriter> {
  await applyTopology(connection, orderTopology());
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
