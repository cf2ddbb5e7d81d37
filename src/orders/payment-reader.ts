import type { FlowLog } from "../flow/flow.ts";
import { readEvent } from "../flow/key-log.ts";
import type { ReadPayment } from "./services/payment.ts";
import { subjectOf } from "./subjects.ts";
import { decodeEvent } from "./wire/codec.ts";

/** Reads payments from the log; rejects with `bad_message` if one cannot be decoded. */
export const paymentReader =
  (log: FlowLog): ReadPayment =>
  async (orderId) => {
    const subject = subjectOf("payments", orderId);
    const stored = await readEvent(log, subject);
    const event = stored && decodeEvent(subject, stored.payload);
    return event?.kind === "payments" ? event : undefined;
  };
