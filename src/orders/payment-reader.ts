import type { FlowLog } from "../flow/flow.ts";
import { readEvent } from "../flow/log-message.ts";
import type { ReadPayment } from "./services/payment.ts";
import { decodeEvent } from "./wire/codec.ts";

/** Reads payments from the log; rejects with `bad_message` if one cannot be decoded. */
export const paymentReader =
  (log: FlowLog): ReadPayment =>
  async (orderId) => {
    const stored = await readEvent(log, "payments", orderId);
    const event = stored && decodeEvent(stored.subject, stored.payload);
    return event?.kind === "payments" ? event : undefined;
  };
