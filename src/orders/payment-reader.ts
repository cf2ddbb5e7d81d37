import type { Connection } from "../jetstream/client/connection.ts";
import { readLast } from "../jetstream/streams/read-message.ts";
import type { ReadPayment } from "./services/payment.ts";
import { ordersStream, subjectOf } from "./subjects.ts";
import { decodeEvent } from "./wire/codec.ts";

/** Reads payments from the log; rejects with `bad_message` if one cannot be decoded. */
export const paymentReader =
  (connection: Connection): ReadPayment =>
  async (orderId) => {
    const subject = subjectOf("payments", orderId);
    const stored = await readLast(connection, ordersStream, subject);
    const event = stored && decodeEvent(subject, stored.payload);
    return event?.kind === "payments" ? event : undefined;
  };
