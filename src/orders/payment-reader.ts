import type { Connection } from "../jetstream/client/connection.ts";
import { readLast } from "../jetstream/streams/read-message.ts";
import type { ReadPayment } from "./services/payment.ts";
import { ordersStream, subjectOf } from "./subjects.ts";
import { decodeEvent } from "./wire/codec.ts";

/** Asks the log for payments; rejects with `bad_message` where one cannot be decoded. */
export const paymentReader =
  (connection: Connection): ReadPayment =>
  async (orderId) => {
    const subject = subjectOf("payments", orderId);
    const stored = await readLast(connection, ordersStream, subject);
    const event = stored && decodeEvent(subject, stored.payload);
    return event?.kind === "payments" ? event : undefined;
  };
